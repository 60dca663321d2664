"""Trainings that are killed, and trainings in several processes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from test_engine import assert_same, make_data, rows, run, yaml_of

from vif_perception.errors import InputError
from vif_perception.training.checkpoint import read_checkpoint
from vif_perception.training.recipe import load_recipe
from vif_perception.training.run_folder import METRICS, RUN

MAIN = 'from vif_perception.cli.main import main; main()'


@pytest.fixture
def data(tmp_path):
    return make_data(tmp_path)


def test_a_killed_run_goes_on_as_if_nothing_had_been(data, tmp_path):
    """Dropout, fairness, the running mean and the optimizer all come back; bit for bit."""
    changes = {
        'network': {'name': 'multitaskvif', 'preset': 'rt'},
        'objective': {'balance': 'fairness'}, 'checkpoint_minutes': 1e-6, 'steps': 10,
        'check_every': 5, 'log_every': 1,
    }
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    recipe = yaml_of(tmp_path, **changes)
    child = subprocess.Popen(
        [sys.executable, '-c', MAIN, 'train', recipe, '--data', data, '--out', killed],
        env={**os.environ, 'OMP_NUM_THREADS': str(torch.get_num_threads())},
        stdout=subprocess.DEVNULL,
    )
    rows_wanted = time.monotonic_ns() % 5 + 1  # some moment, another one in every run of the test
    deadline = time.monotonic() + 120
    try:
        while not ((killed / METRICS).is_file() and len(rows(killed)) >= rows_wanted):
            assert child.poll() is None or len(rows(killed)) >= rows_wanted, 'ended by itself'
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    said = run(data, killed, resume=True, **changes)
    assert 'finished' in (killed / RUN).read_text()
    run(data, whole, **changes)
    first, second = read_checkpoint(whole), read_checkpoint(killed)
    assert first['step'] == 10
    assert_same(first, second)
    for one, other in zip(rows(whole), rows(killed), strict=True):
        assert {**one, 'samples_per_s': ''} == {**other, 'samples_per_s': ''}
    assert said[-2].startswith('step 10')


def test_two_processes_compute_what_one_does(data, tmp_path):
    """A network without BatchNorm and a loss that is a mean: only the order of sums differs."""
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip('TORCH HAS NO GLOO: nothing was trained by two processes')
    changes = {
        'network': {'name': 'multitaskvif', 'preset': 'u2fusion', 'options': {'way': 'own'}},
        'steps': 3, 'check_every': 3,
    }
    changes['data'] = json.loads(yaml_of(tmp_path).read_text())['data'] | {'batch': 2}
    one, two = tmp_path / 'one', tmp_path / 'two'
    done = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2',
         '--rdzv-backend', 'c10d', '--rdzv-endpoint', '127.0.0.1:0', '--local-addr', '127.0.0.1',
         '--no-python', sys.executable, '-c', MAIN, 'train', yaml_of(tmp_path, **changes),
         '--data', data, '--out', two],
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'GLOO_SOCKET_IFNAME': 'lo'},
        capture_output=True, text=True, timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('step 3 val_loss') == 1  # one of them speaks
    run(data, one, **changes)
    first, second = read_checkpoint(one), read_checkpoint(two)
    assert first['step'] == second['step'] == 3
    for key, value in first['learner'].items():
        torch.testing.assert_close(value, second['learner'][key], rtol=1e-4, atol=1e-5)
    for a, b in zip(rows(one), rows(two), strict=True):
        assert float(a['loss']) == pytest.approx(float(b['loss']), rel=1e-4)


def test_a_batch_that_processes_cannot_share_is_refused(data, tmp_path):
    from vif_perception.training.source import Source

    source = Source(load_recipe(str(yaml_of(tmp_path))).data, data, 0)
    with pytest.raises(InputError, match=r'data\.batch: 4 samples cannot be shared by 3'):
        next(source.batches(0, 1, rank=0, world=3, device=torch.device('cpu')))
