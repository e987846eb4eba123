#!/usr/bin/env python3
"""Makes noise_inflation.json: a ring of ten states, one reward that depends on state and action ("clean"), and six
that add noise over next states to it, of mean 0 for each state and action. The noise is `sigma` times as large as
what no potential explains of "clean"; no two noises correlate, nor does one with a potential. Needs NumPy."""

import json
import pathlib

import numpy as np

S, GAMMA = 10, 0.9
MOVES = (-3, -1, 1, 3)
SPREAD = {-1: 0.25, 0: 0.5, 1: 0.25}


def ring():
    tau = np.zeros((S, len(MOVES), S))
    for s in range(S):
        for a, move in enumerate(MOVES):
            for step, p in SPREAD.items():
                tau[s, a, (s + move + step) % S] += p
    return tau


def without(x, directions, weight):
    """x less its weighted projection on the rows of `directions`."""
    root = np.sqrt(weight)
    solution, *_ = np.linalg.lstsq((directions * root).T, x * root, rcond=None)
    return x - solution @ directions


def main():
    random = np.random.default_rng(11)
    tau = ring()
    weight = (tau / (S * len(MOVES))).ravel()  # of a transition in the data: the uniform policy's is uniform
    shaping = np.stack([(GAMMA * np.eye(S)[j][None, None, :] - np.eye(S)[j][:, None, None] + 0 * tau).ravel()
                        for j in range(S)])
    mean = np.stack([np.eye(tau.size).reshape(S, len(MOVES), S, -1)[s, a].sum(0)
                     for s in range(S) for a in range(len(MOVES))])  # 1 on the transitions of (s, a)
    clean = without(random.normal(size=(S * len(MOVES))) @ mean, shaping, weight)
    size = np.sqrt(weight @ clean**2)
    rewards, taken = {"clean": clean}, np.concatenate([shaping, mean])
    for sigma in (0.5, 1, 2):
        for which in "ab":
            noise = without(random.normal(size=tau.size), taken, weight)
            noise *= sigma * size / np.sqrt(weight @ noise**2)
            rewards[f"sigma {sigma:g}, {which}"] = clean + noise
            taken = np.concatenate([taken, noise[None]])
    potential = random.normal(size=S) @ shaping
    table = {name: np.round((reward + potential) * (weight > 0), 6).reshape(tau.shape).tolist()
             for name, reward in rewards.items()}
    world = {"gamma": GAMMA, "mu0": [1 / S] * S, "tau": tau.tolist(), "rewards": table}
    target = pathlib.Path(__file__).with_name("noise_inflation.json")
    target.write_text(json.dumps(world, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
