#!/usr/bin/env python3
"""Records what others' public code says of rewards in small random MDPs: tests/golden/public_rewards.json,
which tests/recipes/compare_public.py holds our numbers against. The code is read from clones:

    .venv-peers/bin/python tests/peers/record_public_rewards.py STARC EVALUATING_REWARDS OUTPUT

    STARC                https://github.com/lucyfarnik/starc at e13f8fa
    EVALUATING_REWARDS   https://github.com/HumanCompatibleAI/evaluating-rewards

Of the latter only the tabular part, without the TensorFlow that its package imports.
"""

import ast
import contextlib
import io
import json
import pathlib
import sys
import types

import numpy as np

NORMS = {"1": 1, "2": 2, "inf": np.inf, "weighted_1": "weighted_1", "weighted_2": "weighted_2",
         "weighted_inf": "weighted_inf", "0": 0}
FORMS = {"None": "None", "EPIC": "EPIC", "DARD": "DARD", "VALPotential": "ValuePotential", "VAL": "Value"}


def starc(clone):
    """The functions of its package."""
    sys.path.insert(0, str(clone / "src"))
    from distance.canon import canon_funcs
    from distance.norm import norm
    from env import Env

    return canon_funcs, norm, Env


def evaluating_rewards(clone):
    """Its tabular module, and of what that imports the one function that it calls."""
    package = clone / "src/evaluating_rewards"
    base = ast.parse((package / "rewards/base.py").read_text())
    wanted = [node for node in base.body
              if getattr(node, "name", "") in ("least_l2_affine", "AffineParameters")]
    numbers = types.ModuleType("base")
    exec("from typing import *\nimport collections, dataclasses\nimport numpy as np\nimport scipy.optimize\n"
         + "\n".join(ast.unparse(node) for node in wanted), numbers.__dict__)
    text = (package / "distances/tabular.py").read_text()
    text = text.replace("from evaluating_rewards.rewards import base\n", "").replace("import pandas as pd\n", "")
    text = text.replace("np.product", "np.prod")  # gone from NumPy
    module = types.ModuleType("tabular")
    module.__dict__.update(base=numbers, pd=types.SimpleNamespace(DataFrame=object, Series=object))
    exec(text, module.__dict__)
    return module


def of_starc(functions, tau, mu0, gamma, rewards):
    canon_funcs, norm, Env = functions
    env = Env(tau.shape[0], tau.shape[1], gamma, mu0, tau)
    out = {}
    for ours, theirs in FORMS.items():
        forms = [np.asarray(canon_funcs[theirs](reward.copy(), env)) for reward in rewards]
        for n_text, n in NORMS.items():
            a, b = (form / norm(form, env, n) for form in forms)
            for m_text, m in NORMS.items():
                if m != 0:
                    out[f"{ours}/{n_text}-{m_text}"] = float(norm(a - b, env, m))
    return out


def of_evaluating_rewards(module, tau, gamma, rewards):
    first, second = rewards
    canonical = [module.fully_connected_random_canonical_reward(reward, gamma) for reward in rewards]
    nothing = module.npec_distance(np.zeros_like(first), second, discount=gamma)
    return {
        "EPIC/pearson-uniform": float(module.pearson_distance(*canonical)),
        "None/pearson-uniform": float(module.pearson_distance(first, second)),
        "direct/1-uniform": float(module.direct_distance(first, second, p=1)),
        "direct/2-uniform": float(module.direct_distance(first, second, p=2)),
        "NPEC": float(module.npec_distance(first, second, discount=gamma) / nothing),
    }


def worlds():
    random = np.random.default_rng(7)
    for states, actions, gamma in [(3, 2, 0.5), (4, 3, 0.9), (6, 2, 0.95), (5, 4, 0.8)]:
        tau = random.dirichlet(np.ones(states) * 0.5, (states, actions))
        mu0 = np.ones(states) / states
        first = random.normal(size=(states, actions, states))
        phi = 3 * random.normal(size=states)
        second = 0.6 * first + random.normal(size=first.shape) + gamma * phi[None, None, :] - phi[:, None, None]
        yield tau, mu0, gamma, [first, second]


def main():
    functions = starc(pathlib.Path(sys.argv[1]))
    module = evaluating_rewards(pathlib.Path(sys.argv[2]))
    out = []
    for tau, mu0, gamma, rewards in worlds():
        with contextlib.redirect_stdout(io.StringIO()):
            found = {"starc": of_starc(functions, tau, mu0, gamma, rewards),
                     "evaluating_rewards": of_evaluating_rewards(module, tau, gamma, rewards)}
        out.append({"world": {"gamma": gamma, "mu0": mu0.tolist(), "tau": tau.tolist(),
                              "rewards": {"first": rewards[0].tolist(), "second": rewards[1].tolist()}},
                    **found})
    pathlib.Path(sys.argv[3]).write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
