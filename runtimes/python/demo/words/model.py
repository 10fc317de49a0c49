"""A class of one's own: how long words are, and the longest of them."""

from __future__ import annotations


class Words:
    """Answers with the length of each word."""

    inputs = [{"name": "words", "datatype": "BYTES", "shape": [-1]}]  # noqa: RUF012
    outputs = [  # noqa: RUF012
        {"name": "lengths", "datatype": "INT64", "shape": [-1]},
        {"name": "longest", "datatype": "BYTES", "shape": [1]},
    ]

    def predict(self, words: list[str]) -> dict[str, object]:
        """What the outputs are, by name."""
        return {"lengths": [len(w) for w in words], "longest": [max(words, key=len)]}
