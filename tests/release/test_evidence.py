"""Bills of materials, provenance, checksums: each is read with what others read them with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from spdx_tools.spdx.model import Document, RelationshipType
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.plan.sbom import sbom
from lapstrake.store.store import Store
from lapstrake_release.evidence import SUMS, image_sbom, published_name, write_evidence
from lapstrake_release.facts import ReleaseFacts
from support.released import DEB, WHEELS, make_facts, with_evidence

SOURCE = "https://github.com/octo/fam"


@pytest.fixture
def facts(tmp_path: Path, store: Store) -> ReleaseFacts:
    return make_facts(tmp_path, store)


def read_spdx(path: Path) -> Document:
    """A valid document; the validator's own words where it isn't."""
    document = parse_file(str(path))
    problems = validate_full_spdx_document(document, "SPDX-2.3")
    assert [p.validation_message for p in problems] == []
    return document


def test_each_image_has_a_valid_bill_with_its_digest_and_packages(
    facts: ReleaseFacts, tmp_path: Path
) -> None:
    write_evidence(facts, tmp_path / "e")
    for image in facts.images:
        document = read_spdx(tmp_path / "e" / f"fam-1.2.0-{image.name}.spdx.json")
        packages = {p.name: p for p in document.packages}
        assert set(packages) == {f"fam/{image.name}", DEB.name, *(w.name for w in WHEELS)}
        own = packages[f"fam/{image.name}"]
        assert [f"sha256:{c.value}" for c in own.checksums] == [image.digest]
        assert packages["torch"].checksums[0].value == WHEELS[1].sha256
        assert packages["torch"].external_references[0].locator == "pkg:pypi/torch@2.4%2Bcu121"
        contained = {
            r.related_spdx_element_id
            for r in document.relationships
            if r.relationship_type == RelationshipType.CONTAINS and r.spdx_element_id == own.spdx_id
        }
        assert contained == {p.spdx_id for p in document.packages} - {own.spdx_id}


def test_what_an_image_carries_is_a_valid_document_too(tmp_path: Path) -> None:
    (tmp_path / "x.spdx.json").write_bytes(sbom([DEB], WHEELS, "debian"))
    read_spdx(tmp_path / "x.spdx.json")


def read_statement(path: Path) -> tuple[Statement, Provenance]:
    """A statement and its predicate; a field that their schema doesn't know is an error."""
    message = json_format.Parse(path.read_text(), StatementMessage())
    statement = Statement.copy_from_pb(message)
    statement.validate()
    predicate = json_format.MessageToJson(message.predicate)
    return statement, json_format.Parse(predicate, Provenance())


def test_provenance_names_every_image_and_package_and_the_commit(
    facts: ReleaseFacts, tmp_path: Path
) -> None:
    write_evidence(facts, tmp_path / "e", SOURCE)
    statement, provenance = read_statement(tmp_path / "e" / "fam-1.2.0-images.intoto.json")
    assert statement.pb.predicate_type == "https://slsa.dev/provenance/v1"
    assert {s.name: f"sha256:{s.digest['sha256']}" for s in statement.pb.subject} == {
        f"ghcr.io/octo/fam:{i.tags[0]}": i.digest for i in facts.images
    }
    made_of = {d.uri: dict(d.digest) for d in provenance.build_definition.resolved_dependencies}
    assert made_of[f"git+{SOURCE}@refs/tags/v1.2.0"] == {"gitCommit": facts.commit}
    assert made_of["pkg:pypi/numpy@2.1.0"] == {"sha256": WHEELS[0].sha256}
    assert len(made_of) == 2 + len(WHEELS)

    statement, provenance = read_statement(tmp_path / "e" / "fam-1.2.0-python.intoto.json")
    assert {s.name: s.digest["sha256"] for s in statement.pb.subject} == {
        f.name: f.sha256 for f in facts.files
    }
    assert provenance.run_details.builder.version["lapstrake"] == "0.1.0"


def test_sha256sum_finds_every_file_as_it_is_published(facts: ReleaseFacts, tmp_path: Path) -> None:
    facts = with_evidence(facts)
    folder = tmp_path / "downloaded"
    folder.mkdir()
    for path in (*(f.path for f in facts.files), *facts.evidence):
        (folder / published_name(path)).write_bytes(path.read_bytes())
    said = process.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder).stdout
    assert {line.partition(":")[0] for line in said.splitlines()} == {
        p.name for p in folder.iterdir()
    } - {SUMS}
    (folder / "compose.yaml").write_text("services: {other: {}}\n")
    assert process.run(["sha256sum", "--check", SUMS], cwd=folder, check=False).code == 1


def test_the_same_release_gives_the_same_bytes(tmp_path: Path, store: Store) -> None:
    written = []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        facts = make_facts(tmp_path / place, store)
        facts = replace(facts, job=f"job-{place}")
        files = write_evidence(facts, tmp_path / place / "e", SOURCE)
        written.append({p.name: p.read_bytes() for p in files})
    assert written[0] == written[1]
    assert len(written[0]) == 5


def test_what_is_written_already_stays_as_it_is(facts: ReleaseFacts, tmp_path: Path) -> None:
    before = {p: p.stat().st_ino for p in write_evidence(facts, tmp_path / "e")}
    assert {p: p.stat().st_ino for p in write_evidence(facts, tmp_path / "e")} == before


def test_an_image_without_a_bill_is_described_all_the_same(
    facts: ReleaseFacts, tmp_path: Path
) -> None:
    bare = replace(facts.images[0], sbom="")
    (tmp_path / "x.spdx.json").write_bytes(image_sbom(facts, bare))
    assert len(read_spdx(tmp_path / "x.spdx.json").packages) == 1


def test_a_wheel_that_changed_since_the_build_is_refused(
    facts: ReleaseFacts, tmp_path: Path
) -> None:
    facts.wheels[0].path.write_bytes(b"another")
    with pytest.raises(UserError, match=r"\.whl has changed since the build"):
        write_evidence(facts, tmp_path / "e")
    facts.wheels[0].path.unlink()
    with pytest.raises(UserError, match=r"\.whl can't be read: No such file"):
        write_evidence(facts, tmp_path / "e")
    assert not (tmp_path / "e" / SUMS).exists()


def test_a_layout_that_lacks_the_image_or_its_bill_is_refused(
    facts: ReleaseFacts, tmp_path: Path
) -> None:
    image = facts.images[0]
    with pytest.raises(UserError, match="full has no /somewhere/else"):
        image_sbom(facts, replace(image, sbom="/somewhere/else"))
    with pytest.raises(UserError, match="full: /srv/full is no SPDX document"):
        image_sbom(facts, replace(image, sbom="/srv/full"))
    blob = facts.dist / "blobs" / "sha256" / image.digest.removeprefix("sha256:")
    blob.unlink()
    with pytest.raises(UserError, match="has no whole image full"):
        image_sbom(facts, image)


def test_two_files_can_not_have_one_name(facts: ReleaseFacts, tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "deploy.yaml").write_text("{}")
    facts = replace(
        facts, evidence=(tmp_path / "a" / "deploy.yaml", tmp_path / "b" / "deploy.yaml")
    )
    with pytest.raises(UserError, match=r"would both be published as deploy\.yaml"):
        write_evidence(facts, tmp_path / "e")


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("fam-1.2.0+cu121-py3-none-any.whl", "fam-1.2.0+cu121-py3-none-any.whl"),
        ("a b~c.yaml", "a.b.c.yaml"),
        (".env", "env"),
        ("…", "file"),
    ],
)
def test_names_are_those_that_github_keeps(name: str, published: str) -> None:
    assert published_name(Path(name)) == published


def test_the_documents_are_json_that_ends_with_a_line(facts: ReleaseFacts, tmp_path: Path) -> None:
    for path in write_evidence(facts, tmp_path / "e"):
        text = path.read_text()
        assert text.endswith("\n")
        if path.suffix == ".json":
            assert json.loads(text)
