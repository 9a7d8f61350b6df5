from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.fusion import fuse_candidates, scale_scores

scores = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.floats(-1e6, 1e6, width=32), max_size=20)


def test_the_weighted_sum_of_scaled_scores_decides() -> None:
    dense, keyword = {"a": 0.9, "b": 0.5, "c": 0.1}, {"b": 12.0, "d": 2.0}
    hits = fuse_candidates(dense, keyword, alpha=0.75, limit=10)
    assert [(hit.chunk_id, hit.score) for hit in hits] == [("a", 0.75), ("b", 0.75 * 0.5 + 0.25), ("c", 0), ("d", 0)]
    assert (hits[0].dense_score, hits[0].keyword_score) == (0.9, None)
    assert (hits[3].dense_score, hits[3].keyword_score) == (None, 2.0)


def test_where_all_scores_of_a_side_are_equal_they_count_in_full() -> None:
    assert scale_scores({"a": 0.3, "b": 0.3}) == {"a": 1.0, "b": 1.0}
    assert scale_scores({"a": 0.0}) == {"a": 1.0}
    assert scale_scores({}) == {}


def test_equal_scores_are_ordered_by_chunk_id() -> None:
    hits = fuse_candidates(dict.fromkeys("cab", 1.0), {}, alpha=1.0, limit=2)
    assert [hit.chunk_id for hit in hits] == ["a", "b"]


@given(dense=scores, keyword=scores, alpha=st.floats(0, 1), limit=st.integers(0, 30))
def test_scores_are_ordered_between_0_and_1_and_every_candidate_appears_once(
    dense: dict[str, float], keyword: dict[str, float], alpha: float, limit: int
) -> None:
    hits = fuse_candidates(dense, keyword, alpha=alpha, limit=limit)
    everything = fuse_candidates(dense, keyword, alpha=alpha, limit=100)
    assert hits == everything[:limit]
    assert sorted(hit.chunk_id for hit in everything) == sorted(dense.keys() | keyword.keys())
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
