import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.live.ring import RingBuffer

writes = st.lists(st.tuples(st.booleans(), st.integers(0, 23)), max_size=30)


@given(capacity=st.integers(1, 9), writes=writes)
def test_the_ring_holds_what_a_list_would_hold(capacity, writes):
    ring, everything, heard_from = RingBuffer(capacity), [], 0
    for passed_over, count in writes:
        samples = np.arange(len(everything), len(everything) + count, dtype=np.float32)
        everything += samples.tolist()
        if passed_over:
            ring.pass_over(count)
            heard_from = len(everything)
        else:
            ring.write(samples)
        assert ring.total == len(everything)
        assert ring.first == max(heard_from, len(everything) - capacity)
        for start in range(ring.first, ring.total + 1):
            assert ring.read(start, ring.total).tolist() == everything[start:]
            assert ring.read(ring.first, start).tolist() == everything[ring.first : start]


@pytest.mark.parametrize(("start", "end"), [(1, 4), (4, 8), (5, 4)])
def test_what_is_gone_or_still_to_come_is_not_read(start, end):
    ring = RingBuffer(5)
    ring.write(np.arange(7, dtype=np.float32))
    with pytest.raises(IndexError):
        ring.read(start, end)


def test_what_was_read_does_not_change_with_what_is_written():
    ring = RingBuffer(4)
    ring.write(np.ones(4, dtype=np.float32))
    read = ring.read(0, 4)
    ring.write(np.zeros(4, dtype=np.float32))
    assert read.tolist() == [1, 1, 1, 1]
