"""docs/examples/export_gymnasium.py: the exported world is the environment."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
SCRIPT = ROOT / "docs" / "examples" / "export_gymnasium.py"

spec = importlib.util.spec_from_file_location("export_gymnasium", SCRIPT)
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)


def converged(sweep, states):
    values = numpy.zeros(states)
    while True:
        new = sweep(values)
        if numpy.abs(new - values).max() < 1e-12:
            return new
        values = new


def values_of_environment(env, gamma):
    """Optimal values by the environment's own table: what follows an end counts for nothing."""
    table = env.unwrapped.P

    def worth(values, outcome):
        probability, successor, reward, ends = outcome
        return probability * (reward + gamma * (0 if ends else values[successor]))

    def sweep(values):
        return numpy.array(
            [max(sum(worth(values, o) for o in row) for row in table[s].values()) for s in table]
        )

    return converged(sweep, len(table))


def dense(arrays):
    if "tau" in arrays:
        return arrays["tau"], arrays["rewards/reward"]
    states = len(arrays["mu0"])
    tau = numpy.zeros((len(arrays["offsets"]) - 1, states))
    rewards = numpy.zeros_like(tau)
    rows = numpy.repeat(numpy.arange(len(tau)), numpy.diff(arrays["offsets"]))
    tau[rows, arrays["successors"]] = arrays["probabilities"]
    rewards[rows, arrays["successors"]] = arrays["rewards/reward"]
    return tau.reshape(states, -1, states), rewards.reshape(states, -1, states)


def values_of_world(arrays):
    tau, rewards = dense(arrays)
    paid = (tau * rewards).sum(-1)
    return converged(lambda v: (paid + arrays["gamma"] * (tau @ v)).max(1), len(tau))


def reachable(arrays):
    tau, _ = dense(arrays)
    reached = arrays["mu0"] > 0
    while True:
        more = reached | (tau[reached] > 0).any((0, 1))
        if (more == reached).all():
            return reached
        reached = more


# The optimal value of the state given, to the digits given.
KNOWN = [
    ("FrozenLake-v1", {}, 0, 0.542026),
    ("FrozenLake-v1", {"map_name": "8x8"}, 0, 0.414640),
    ("CliffWalking-v1", {}, 0, -13.125419),
    ("CliffWalkingSlippery-v1", {}, None, None),
    ("Taxi-v4", {}, None, None),
]


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name, make, state, value", KNOWN)
def test_values_are_those_of_the_environment(name, make, state, value, sparse):
    try:
        env = gymnasium.make(name, **make)
    except gymnasium.error.NameNotFound:
        pytest.fail(f"this Gymnasium has no {name}")
    arrays = script.tables(env, 0.99, dense=not sparse)
    ours, theirs = values_of_world(arrays), values_of_environment(env, 0.99)
    going_on = reachable(arrays) & ~arrays["terminal"]
    assert going_on.sum() > 5
    assert numpy.abs(ours - theirs)[going_on].max() < 1e-9
    assert (ours[arrays["terminal"]] == 0).all()
    if value is not None:
        assert abs(ours[state] - value) < 1e-6


def test_fixture_is_what_the_script_writes():
    lake = gymnasium.make("FrozenLake-v1")
    further = [("cautious", gymnasium.make("FrozenLake-v1", reward_schedule=(1, -1, 0)))]
    for name, is_dense in [("frozen_lake", True), ("frozen_lake_sparse", False)]:
        arrays = script.tables(lake, 0.99, is_dense, "goal", further)
        with numpy.load(ROOT / "tests" / "fixtures" / "worlds" / f"{name}.npz") as fixture:
            assert set(fixture) == set(arrays)
            for key in fixture:
                assert numpy.array_equal(fixture[key], arrays[key]), key


def test_from_the_command_line_to_a_comparison(tmp_path):
    world = tmp_path / "lake.npz"
    options = ["--gamma", "0.99", "--make", 'map_name="8x8"']
    options += ["--reward", "cautious", "reward_schedule=(1, -1, 0)", "--reward", "twice"]
    options += ["reward_schedule=(2, 0, 0)"]
    command = [sys.executable, SCRIPT, "FrozenLake-v1", world, *options]
    subprocess.run(command, check=True)
    recipe = tmp_path / "lake.toml"
    recipe.write_text(
        f'saffron = 1\nname = "lake"\n\n[world.lake]\nuse = "tabular"\npath = "{world}"\n\n'
        '[compare.val]\nuse = "val"\nworld = "lake"\npairs = ["2-2"]\n'
    )
    program = BUILD / "bin" / "saffron"
    run = [program, "run", "--quiet", recipe, "--runs", tmp_path / "runs", "--cache", ""]
    subprocess.run(run, check=True)
    (results,) = (tmp_path / "runs").glob("*/results.json")
    pairs = json.loads(results.read_text())["compare"]["val"]["pairs"]
    found = {(pair["a"], pair["b"]): pair["metrics"]["VAL/2-2"] for pair in pairs}
    assert found["reward", "twice"] < 1e-9
    assert found["reward", "cautious"] > 0.1


def test_other_transitions_are_refused():
    lake = gymnasium.make("FrozenLake-v1")
    other = gymnasium.make("FrozenLake-v1", is_slippery=False)
    with pytest.raises(ValueError, match="'dry': the environment has other transitions"):
        script.tables(lake, 0.99, further=[("dry", other)])


def test_states_that_end_some_episodes_are_refused():
    class Odd:
        """From 0 to 1, which goes on by action 0 and is the end by action 1."""

        observation_space, action_space = gymnasium.spaces.Discrete(2), gymnasium.spaces.Discrete(2)
        P = {0: {0: [(1.0, 1, 0, False)], 1: [(1.0, 1, 0, True)]}, 1: {a: [(1.0, 0, 0, False)] for a in (0, 1)}}
        initial_state_distrib = [1.0, 0.0]

        @property
        def unwrapped(self):
            return self

    with pytest.raises(ValueError, match="state 1 ends some episodes and not others"):
        script.tables(Odd(), 0.9)
