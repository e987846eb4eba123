#!/usr/bin/env python3
"""Writes a tabular environment of Gymnasium as a file that the world `tabular` reads.

    export_gymnasium.py FrozenLake-v1 lake.npz --gamma 0.99 --make 'map_name="8x8"' \\
        --reward cautious 'reward_schedule=(1, -1, 0)'

Whatever has its transitions in `env.unwrapped.P` will do: FrozenLake, CliffWalking, Taxi. `--reward` adds
the rewards of the same environment made with other arguments. Time limits are no part of the world.
"""

import argparse
import ast

import gymnasium
import numpy

DENSE_STATES = 1024  # above, transitions are written over their support


def outcomes(env):
    """[{s': [probability, reward, whether the episode ends]}] of every (s, a), s * A + a."""
    table, rows = env.unwrapped.P, []
    for state in range(env.observation_space.n):
        for action in range(env.action_space.n):
            row = {}
            for probability, successor, reward, ends in table[state][action]:
                known = row.setdefault(int(successor), [0.0, 0.0, bool(ends)])
                if known[2] != bool(ends):
                    raise ValueError(f"action {action} in state {state} may end in {successor} or go on")
                known[0] += probability
                known[1] += probability * reward  # the mean, where a successor has several
            for entry in row.values():
                entry[1] = entry[1] / entry[0] if entry[0] else 0.0
            rows.append({s: entry for s, entry in row.items() if entry[0] > 0})
    return rows


def terminal_states(rows, start, states):
    """States that end an episode. A state that an episode may also go on from is refused."""
    actions = len(rows) // states
    terminal = {s for row in rows for s, (_, _, ends) in row.items() if ends}
    open_states = [int(s) for s in numpy.flatnonzero(start)]
    seen = set(open_states)
    while open_states:
        state = open_states.pop()
        if state in terminal:
            raise ValueError(f"state {state} ends some episodes and not others")
        for row in rows[state * actions : (state + 1) * actions]:
            new = {s for s, (_, _, ends) in row.items() if not ends} - seen
            seen |= new
            open_states += new
    return terminal


def tables(env, gamma, dense=None, name="reward", further=()):
    """The arrays of the world. `further`: (name, environment) pairs that differ in their rewards alone."""
    states, actions = int(env.observation_space.n), int(env.action_space.n)
    start = numpy.asarray(env.unwrapped.initial_state_distrib, dtype=float)
    rows = outcomes(env)
    terminal = terminal_states(rows, start, states)
    out = {"gamma": float(gamma), "mu0": start, "terminal": numpy.isin(range(states), list(terminal))}
    lists = [{} if r // actions in terminal else row for r, row in enumerate(rows)]
    row_of = numpy.repeat(range(len(lists)), [len(row) for row in lists])
    successors = numpy.array([s for row in lists for s in row], dtype=numpy.int64)
    probabilities = numpy.array([e[0] for row in lists for e in row.values()])
    dense = states <= DENSE_STATES if dense is None else dense

    def table(values):
        if not dense:
            return values
        cube = numpy.zeros((states * actions, states))
        cube[row_of, successors] = values
        return cube.reshape(states, actions, states)

    if dense:
        out["tau"] = table(probabilities)
    else:
        out["offsets"] = numpy.cumsum([0] + [len(row) for row in lists])
        out["successors"], out["probabilities"] = successors, probabilities
    for reward, other in [(name, env), *further]:
        found = outcomes(other)
        if [{s: e[::2] for s, e in row.items()} for row in found] != [
            {s: e[::2] for s, e in row.items()} for row in rows
        ]:
            raise ValueError(f"'{reward}': the environment has other transitions")
        values = [found[r][s][1] for r, row in enumerate(lists) for s in row]
        out[f"rewards/{reward}"] = table(numpy.array(values, dtype=float))
    return out


def arguments(texts):
    pairs = (text.split("=", 1) for text in texts)
    return {key.strip(): ast.literal_eval(value.strip()) for key, value in pairs}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environment", help="its id, such as FrozenLake-v1")
    parser.add_argument("file", help="a .npz file")
    parser.add_argument("--gamma", type=float, required=True)
    parser.add_argument("--make", nargs="*", default=[], metavar="KEY=VALUE", help="of gymnasium.make")
    parser.add_argument("--name", default="reward", help="of the environment's own reward")
    parser.add_argument("--reward", nargs="+", action="append", default=[], metavar="NAME KEY=VALUE")
    parser.add_argument("--sparse", action="store_true", help="also where there are few states")
    args = parser.parse_args()
    made = arguments(args.make)
    further = [
        (name, gymnasium.make(args.environment, **{**made, **arguments(changes)}))
        for name, *changes in args.reward
    ]
    env = gymnasium.make(args.environment, **made)
    dense = False if args.sparse else None
    numpy.savez_compressed(args.file, **tables(env, args.gamma, dense, args.name, further))


if __name__ == "__main__":
    main()
