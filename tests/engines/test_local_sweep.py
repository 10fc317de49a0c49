from __future__ import annotations

import pytest
from as_user import User

pytestmark = pytest.mark.root


def test_trees_of_a_users_range_are_swept(user: User) -> None:
    answer = user.call("sweep_calls:leave_and_sweep", user.folder / "cache")
    assert answer == (1, [])
