"""Steps have the same rows however they are divided; batches keep tokens and labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manybaskets.training import batching
from manybaskets.training.batching import IGNORED, Row, StepBatches

LENGTHS = np.random.default_rng(0).integers(5, 60, 500).tolist()


def of_all_devices(
    lengths: list[int], rows_per_step: int, devices: int, parts: int
) -> list[set[int]]:
    """Returns the rows of each step, over all devices and micro-batches."""
    samplers = [
        StepBatches(lengths, rows_per_step, parts, 3, rank, devices) for rank in range(devices)
    ]
    listed = [list(sampler) for sampler in samplers]
    assert all(len(found) == len(samplers[0]) for found in listed)
    steps = []
    for begin in range(0, len(samplers[0]), parts):
        chosen = [i for found in listed for part in found[begin : begin + parts] for i in part]
        real = [i for i in chosen if i >= 0]
        assert len(real) == len(set(real))
        steps.append(set(real))
    return steps


@given(
    rows=st.integers(1, 60),
    per_device=st.integers(1, 5),
    devices=st.integers(1, 4),
    parts=st.integers(1, 3),
)
def test_a_step_has_the_same_rows_on_one_device_and_on_several(
    rows: int, per_device: int, devices: int, parts: int
) -> None:
    size = per_device * devices * parts
    expected = of_all_devices(LENGTHS[:rows], size, 1, 1)
    assert of_all_devices(LENGTHS[:rows], size, devices, parts) == expected
    assert set().union(*expected) == set(range(rows))


def test_every_device_has_work_in_a_last_step_of_one_row() -> None:
    one, other = (list(StepBatches(LENGTHS[:9], 8, 1, 3, rank, 2)) for rank in (0, 1))
    assert len(one[-1]) == len(other[-1]) == 1
    assert one[-1][0] >= 0 and other[-1] == [-1 - one[-1][0]]


def test_epochs_differ_and_repeat() -> None:
    sampler = StepBatches(LENGTHS, 16, 1, 3)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    sampler.set_epoch(0)
    assert list(sampler) == first != second


def test_rows_of_a_step_are_alike_in_length_and_the_longest_comes_first() -> None:
    found = batching.steps(LENGTHS, 16, 3)
    spread = np.mean([np.ptp([LENGTHS[i] for i in step]) for step in found[1:]])
    assert spread < np.ptp(LENGTHS) / 5
    assert max(LENGTHS) in [LENGTHS[i] for i in found[0]]


ROWS = [Row([5, 6, 7], [IGNORED, 6, 7]), Row([8, 9], [IGNORED, 9])]


def test_padded_rows_carry_no_loss_and_no_attention_where_nothing_is() -> None:
    found = batching.padded(ROWS, pad=0)
    assert found["input_ids"].tolist() == [[5, 6, 7], [8, 9, 0]]
    assert found["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert found["labels"].tolist() == [[IGNORED, 6, 7], [IGNORED, 9, IGNORED]]


def test_packed_rows_restart_their_positions_and_do_not_see_the_row_before() -> None:
    found = batching.packed([ROWS[0], Row([8, 9], [8, 9])])
    assert found["input_ids"].tolist() == [[5, 6, 7, 8, 9]]
    assert found["position_ids"].tolist() == [[0, 1, 2, 0, 1]]
    assert found["labels"].tolist() == [[IGNORED, 6, 7, IGNORED, 9]]


@pytest.mark.parametrize("lengths", [[4], [4, 4, 4]])
def test_few_rows_make_one_step(lengths: list[int]) -> None:
    assert [sorted(step) for step in batching.steps(lengths, 16, 0)] == [list(range(len(lengths)))]
