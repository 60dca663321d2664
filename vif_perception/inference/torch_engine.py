"""The torch backend: CPU in fp32 or bf16, CUDA where it is present."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vif_perception.config import InferenceConfig
from vif_perception.errors import InputError
from vif_perception.inference.engine import EngineOutput, WeightsInfo
from vif_perception.inference.weights import Card
from vif_perception.models.deploy import Deployed
from vif_perception.types import Calibration


class TorchEngine:
    """Runs :class:`~vif_perception.models.deploy.Deployed`; implements ``Engine``."""

    def __init__(self, network: nn.Module, card: Card, config: InferenceConfig):
        self.device = _device(config.device)
        self.precision = _precision(config.precision, self.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.labels = card.labels
        self.entity_names = card.entities
        self.weights = WeightsInfo(card.name, card.sha256)
        self.description = (
            f'torch {torch.__version__} on {_device_name(self.device)}, '
            f'{str(self.precision).removeprefix("torch.")}'
        )
        self._module = Deployed(
            network, precision=self.precision, temperature=card.temperature
        ).eval().to(self.device)
        self._calibration: Calibration | None = None
        self._grid: Tensor | None = None

    @torch.inference_mode()
    def run(
        self, rgb: np.ndarray | None, thermal: np.ndarray | None, *, bgr: bool,
        window: tuple[float, float], calibration: Calibration,
    ) -> EngineOutput:
        """Run one pair, or one camera when the other is None; see ``Engine.run``."""
        if not -math.inf < window[0] < window[1] < math.inf:
            raise InputError(f'thermal window {window}', accepted='finite, black below white')
        self._place(calibration)
        by_reference = calibration.reference == 'rgb'
        sizes = (calibration.size, calibration.other_size)
        rgb_size, thermal_size = sizes if by_reference else sizes[::-1]
        present = torch.tensor([rgb is not None, thermal is not None], dtype=torch.float32)
        color = self._tensor(rgb, (*rgb_size[::-1], 3))
        heat = self._tensor(thermal, thermal_size[::-1])
        outputs = self._module(
            color.flip(-1) if bgr and rgb is not None else color, heat,
            torch.tensor(window, dtype=torch.float32, device=self.device),
            present.to(self.device),
            None if by_reference else self._grid, self._grid if by_reference else None,
        )
        return EngineOutput(*(output.cpu().numpy() for output in outputs))

    def _place(self, calibration: Calibration) -> None:
        """Keep the sampling grid on the device for as long as the calibration stays."""
        if calibration is self._calibration:
            return
        grid = calibration.grid
        self._grid = None if grid is None else torch.from_numpy(grid).to(self.device)
        self._calibration = calibration

    def _tensor(self, image: np.ndarray | None, shape: tuple[int, ...]) -> Tensor:
        if image is None:
            return torch.zeros(shape, dtype=torch.uint8, device=self.device)
        with warnings.catch_warnings():
            # The view is read-only because it is the message's own bytes; we only read.
            warnings.filterwarnings('ignore', message='The given NumPy array is not writable')
            return torch.from_numpy(image).to(self.device)


def _device(name: str) -> torch.device:
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device('meta')
    absent = device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count()
    if device.type not in ('cpu', 'cuda') or absent:
        raise InputError(
            f'device {name!r} is not there' if absent else f'unknown device {name!r}',
            where='inference.device', accepted='auto, cpu, cuda or cuda:N',
            remedy=f'torch sees {torch.cuda.device_count()} CUDA devices; use auto or cpu',
        )
    return device


def _precision(name: str, device: torch.device) -> torch.dtype:
    if name != 'auto':
        return torch.bfloat16 if name == 'bf16' else torch.float32
    return best_precision(device)


def best_precision(device: torch.device) -> torch.dtype:
    """Return bf16 where the hardware has it; emulated, it is much slower than fp32."""
    in_hardware = torch.cuda.is_bf16_supported() if device.type == 'cuda' else cpu_has_bf16()
    return torch.bfloat16 if in_hardware else torch.float32


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bf16 in hardware: AVX512-BF16, AMX or Arm BF16."""
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='ascii', errors='replace').splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith(('flags', 'Features'))), '')
    return not {'avx512_bf16', 'amx_bf16', 'bf16'}.isdisjoint(flags.split())


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == 'cuda' else 'cpu'
