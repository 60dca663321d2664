"""The fusion node: a lifecycle around the pipeline. What it does is done in the rooms below."""

from __future__ import annotations

import gc
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import Trigger

from vif_perception.errors import InputError
from vif_perception.pipeline import Pipeline
from vif_perception.pipeline.view import EngineTap
from vif_perception.ros import parameters
from vif_perception.ros.changes import Changes
from vif_perception.ros.diagnostics import Diagnostics
from vif_perception.ros.inputs import Inputs
from vif_perception.ros.notices import Notices, RosLog
from vif_perception.ros.outputs import Outputs
from vif_perception.ros.parameters import FusionConfig
from vif_perception.ros.transition import survive_requests, told
from vif_perception.ros.worker import Worker
from vif_perception.sensing import read_camchain
from vif_perception.types import FramePair, Health, Mode

_log = logging.getLogger(__name__)

#: Set at start only: planners and costmaps are configured for them, or they protect the machine.
READ_ONLY = ('reference', 'limits.max_pixels')
#: The engine is made from these.
NEEDS_CONFIGURE = ('model', 'inference')
#: A frame in the network is waited for when the node is deactivated, and when it ends.
DEACTIVATE_S, END_S = 10.0, 0.7


class FusionNode(LifecycleNode):
    """Configure loads the network, activate subscribes, deactivate stops, cleanup frees it.

    Attributes:
        trouble: why the last transition failed, '' when it did not.

    Args:
        create_engine: makes the engine from the configuration; None: ``inference``'s.
    """

    def __init__(self, create_engine: Callable[[Any], Any] | None = None, **options: Any) -> None:
        super().__init__('fusion', **options)
        survive_requests(self)
        self.trouble = ''
        self._create_engine = create_engine
        self._engine: EngineTap | None = None
        self._pipeline: Pipeline | None = None
        self._inputs: Inputs | None = None
        self._worker: Worker | None = None
        self._config = FusionConfig()
        self._said: tuple[Mode, str] | None = None
        self._newest = (0, '')
        self._log = RosLog(self.get_logger())
        logging.getLogger('vif_perception').addHandler(self._log)
        self._notices = Notices(self.get_logger())
        parameters.declare(self, FusionConfig, READ_ONLY)
        Changes(self, self._closed, self._apply)
        self._outputs = Outputs(self)
        self._diagnostics = Diagnostics(self, self._health, lambda: self.trouble)
        self.create_service(Trigger, '~/reset', self._reset)
        # Not the node's clock: simulated time may stand still, which is one of the things to say.
        self.create_timer(1.0, self._every_second, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @told
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and warm up the network."""
        parameters.check_given(self, FusionConfig)
        config = parameters.read(self, FusionConfig)
        camchain = read_camchain(config.registration.camchain)
        engine = EngineTap(self._make_engine(config))
        pipeline = Pipeline(config, engine, timer=time.perf_counter_ns, camchain=camchain)
        pipeline.warm_up()
        self._config, self._engine, self._pipeline = config, engine, pipeline
        self.get_logger().info(f'{engine.weights.name}: {engine.description}{_torch()}')
        return super().on_configure(state)

    @told
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and begin to work."""
        assert self._pipeline is not None
        assert self._engine is not None
        result = super().on_activate(state)
        self._outputs.labels(self._engine.labels)
        pipeline = self._pipeline
        pipeline.reset()
        self._worker = worker = Worker(
            work=self._work, due=lambda: pipeline.due(self._now_ns()),
            displaced=lambda pair: pipeline.discard(pair, 'superseded'), failed=self._failed,
        )
        worker.start()
        self._inputs = Inputs(
            self, pipeline, self._config.input, self._config.limits.max_pixels, worker.offer,
            self._notices,
        )
        return result

    @told
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and end the work."""
        if not self._stop_work(DEACTIVATE_S):
            raise InputError(f'the network has not ended after {DEACTIVATE_S:g} s')
        return super().on_deactivate(state)

    @told
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the network."""
        self._release()
        return super().on_cleanup(state)

    @told
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free whatever there is."""
        self._release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin again from unconfigured."""
        self._release()
        return super().on_error(state)

    def stop(self) -> bool:
        """End everything, at the end of the process; False when the network does not end."""
        logging.getLogger('vif_perception').removeHandler(self._log)
        return self._stop_work(END_S)

    def _make_engine(self, config: FusionConfig) -> Any:
        if self._create_engine is None:
            from vif_perception.inference import create_engine  # torch, only when it is needed

            self._create_engine = create_engine
        return self._create_engine(config)

    def _stop_work(self, timeout_s: float) -> bool:
        if self._inputs is not None:
            self._inputs.close()
            self._inputs = None
        if self._worker is not None and not self._worker.stop(timeout_s):
            return False
        self._worker = None
        return True

    def _release(self) -> None:
        self._stop_work(DEACTIVATE_S)
        self._engine = self._pipeline = None
        gc.collect()
        torch = sys.modules.get('torch')
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _health(self) -> Health | None:
        if self._worker is None or self._pipeline is None:
            return None
        return self._pipeline.health(self._now_ns())

    def _work(self, pair: FramePair) -> None:
        """Worker: one pair from frames to messages."""
        pipeline, engine, inputs = self._pipeline, self._engine, self._inputs
        if pipeline is None or engine is None:
            return
        engine.last = None
        try:
            result = pipeline.process(pair)
        except InputError as error:  # counted by the pipeline
            self._notices.warn(str(error))
            return
        if result is None:
            return
        self._newest = result.stamp_ns, result.frame_id
        self._outputs.results(
            result, inputs.infos.get(self._config.reference) if inputs else None
        )
        self._outputs.debug(result, engine.last, engine.labels, pipeline.thermal_profile)
        if (result.mode, result.reason) != self._said:
            self._status(result.mode, result.reason)

    def _status(self, mode: Mode, reason: str) -> None:
        """Publish the status; log it when the mode is another."""
        # The reason of a silence counts the seconds: it is said once.
        news = mode, '' if mode is Mode.STALE else reason
        if news != self._said:
            self._said = news
            text = f'mode {mode.value}{": " if reason else ""}{reason}'
            if mode is Mode.FUSED:
                self._notices.inform(text)
            else:
                self._notices.warn(text)
        health = self._health()
        if health is not None:
            self._outputs.status(*self._newest, health)

    def _failed(self, error: Exception) -> None:
        """Worker: something raised outside of the pipeline, such as publishing."""
        if self._pipeline is not None and self.context.ok() and self._pipeline.report(error):
            _log.error('the worker goes on after an error', exc_info=error)

    def _every_second(self) -> None:
        health = self._health()
        if health is None or self._pipeline is None or self._inputs is None:
            return
        now_ns = self._now_ns()
        if now_ns == 0:
            self._notices.warn('use_sim_time is set, but nobody publishes /clock')
        text = self._pipeline.explain(now_ns)
        if text:
            self.get_logger().warning('; '.join([text, *self._inputs.why_silent()]))
        for text in self._inputs.unheard():
            self._notices.warn(f'nothing comes: {text}')
        for text in self._outputs.unserved():
            self._notices.warn(text)
        self._status(health.mode, health.reason)

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._pipeline is not None
        response.message = 'not configured'
        if self._pipeline is not None:
            self._pipeline.reset()
            response.message = 'gains, hysteresis and queues are forgotten'
        return response

    def _closed(self) -> dict[str, str]:
        """Return which groups of parameters cannot be changed now, and what opens them."""
        if self._pipeline is None:
            return {}
        opens = 'deactivate and clean up first' if self._worker else 'clean up first'
        closed = dict.fromkeys(NEEDS_CONFIGURE, f'{opens}: the network is made by configure')
        if self._worker:
            closed['input'] = 'deactivate first: activate subscribes'
        return closed

    def _apply(self, config: FusionConfig) -> None:
        self._config = config
        if self._pipeline is not None:
            camchain = read_camchain(config.registration.camchain)
            self._pipeline.reconfigure(config, camchain=camchain)


def _torch() -> str:
    torch = sys.modules.get('torch')
    return '' if torch is None else f', CUDA {torch.version.cuda or "not built in"}'
