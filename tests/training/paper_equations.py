"""Learning rules for fully connected networks, written from the equations of their papers in float64.

A reference for tests: one sample and one update at a time, and nothing made faster than its equation.

Conventions. Layers 0 ... K, K the output; sizes = [n_in, n_0, ..., n_K]; W[k] is (n_k, n_{k-1}), b[k] is (n_k,).
The outputs are sigmoids under the binary cross-entropy summed over the classes, e = y* - y_K and delta_K = e. The
papers' delta is y - y*; with the sign here every step is dW = + eta delta (input)^T and db = + eta delta.
B[k] feeds hidden layer k, with the shape (n_k, n_{k+1}) in a chain and (n_k, n_K) for a direct projection (the
papers write B_{l+1}, mostly transposed). Every signal of a sample comes from the weights before its updates.

Papers: [Thesis] Woo 2023, forward alignment, activation sharing, ASAP and ASFP; [DKP] direct Kolen-Pollack learning;
[Slides] Aguado 2019, on Akrout et al. 2019; [DRTP] Frenkel et al. 2021.

Readings where a definition leaves room:
- Every trained sample counts as one update for the decay, also one that the error gate kept from the hidden layers;
  decay reaches every W[k], k >= 1, whether its layer learnt or not, and comes after the step: (1 - lam) (W + dW).
- The twin of the output layer, B[K-1] of kp and asap, passes the error gate; every other learned B does not, the
  B[K-1] of dkp and asfp included.
- Local classifiers do not decay, and a B[k] that carries a classifier's error is fixed and does not decay either.
- Shared activations of the wanted length are taken as they are, with "random" matching too. Without options, block
  is 2, matching "max_pool" and first_layer "fixed" (asap only, a B[0] given is dropped), as in the thesis.
- sign(0) = 0 for weights and errors; with a dead zone, errors with |e_c| <= dead_zone count as 0.
"""

import numpy as np


def sigmoid(z):
    """1 / (1 + exp(-z)) without overflow."""
    t = np.exp(-np.abs(z))
    return np.where(z >= 0.0, 1.0, t) / (1.0 + t)


ACTIVATIONS = {  # name: (f, f' as a function of z)
    "tanh": (np.tanh, lambda z: 1.0 - np.tanh(z) ** 2),
    "hard_tanh": (lambda z: np.clip(z, -1.0, 1.0), lambda z: (np.abs(z) < 1.0).astype(float)),
    "relu": (lambda z: np.maximum(z, 0.0), lambda z: (z > 0.0).astype(float)),
    "identity": (np.copy, np.ones_like),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1.0 - sigmoid(z))),
}


def chained(net, s, signal):
    """delta_K = e and, layer by layer, delta_k = signal(k, delta_{k+1}) * f'(z_k); no signal, no delta."""
    delta = [None] * net.K + [s["e"]]
    for k in reversed(range(net.K)):
        arriving = signal(k, delta[k + 1])
        delta[k] = None if arriving is None else arriving * net.df(s["z"][k])
    return delta


def through_transpose(net, s):
    """Error by the transposed forward weights, [Thesis] eq. (2.2), [Slides] eq. (2)."""
    return chained(net, s, lambda k, d: net.W[k + 1].T @ d)


def through_feedback(net, s):
    """Error by separate feedback weights, layer after layer, [Thesis] eq. (2.4), [Slides] eq. (3)."""
    return chained(net, s, lambda k, d: net.B[k] @ d)


def pooled(v, n, matching):
    """Copies of v joined end to end, then pooled to n entries, [Thesis] sec. 5.1.1, methods 1 and 2."""
    joined = np.tile(v, -(-n // v.size))
    pool = {"max_pool": np.max, "average_pool": np.mean}[matching]
    return np.array([pool(joined[i * joined.size // n : -(-(i + 1) * joined.size // n)]) for i in range(n)])


def shared_input(net, s, k):
    """Output of the layer before the block of layer k >= 1, at the length n_{k-1}, [Thesis] eq. (4.1)-(4.2), 5.1.1."""
    v = s["y"][max(0, k - 1 - net.lag) // net.block * net.block]
    n = net.W[k].shape[1]
    if v.size == n:
        return v
    if net.matching == "random":  # method 3: a fixed random layer, as in forward alignment
        return net.f(net.C[k - 1] @ v)
    return pooled(v, n, net.matching)


def shared_inputs(net, s):
    """x for layer 0, which is in no block, and the shared activation for every other layer."""
    return [s["x"]] + [shared_input(net, s, k) for k in range(1, net.K + 1)]


def twin_steps(net, delta, h):
    """dB[k] = (dW_{k+1})^T for every B[k] that exists, [Slides] eq. (15)-(18), [Thesis] eq. (2.7), [DKP] eq. (6)."""
    return {k: (net.eta[k + 1] * np.outer(delta[k + 1], h[k + 1])).T for k in range(net.K) if net.B[k] is not None}


# The rules: each returns the delta of every layer, the input its weights learn with, and the steps of B


def bp(net, s):
    """Back-propagation of error: delta_k = W_{k+1}^T delta_{k+1} * f'(z_k), [Thesis] eq. (2.2)-(2.3)."""
    return through_transpose(net, s), s["inputs"], {}


def fa(net, s):
    """Feedback alignment: fixed B[k] instead of W_{k+1}^T, [Thesis] eq. (2.4), [Slides] eq. (3)-(4)."""
    return through_feedback(net, s), s["inputs"], {}


def sign_symmetry(net, s):
    """Sign symmetry: a_k sign(W_{k+1})^T delta_{k+1}, Xiao et al. 2018, named in [Slides] ref. [4]."""
    delta = chained(net, s, lambda k, d: net.scale[k] * (np.sign(net.W[k + 1]).T @ d))
    return delta, s["inputs"], {}


def kp(net, s):
    """Kolen-Pollack: B[k] takes the transposed step of W_{k+1}, [Slides] eq. (15)-(18), [Thesis] eq. (2.7)."""
    delta, h = through_feedback(net, s), s["inputs"]
    return delta, h, twin_steps(net, delta, h)


def dfa(net, s):
    """Direct feedback alignment: fixed B[k] e, [Thesis] eq. (2.5), [DKP] eq. (3)."""
    return chained(net, s, lambda k, d: net.B[k] @ s["e"]), s["inputs"], {}


def sdfa(net, s):
    """DFA with the sign of the error, [DRTP] sec. 2.1 and 2.3.1; the dead zone sets small errors to 0."""
    sign = np.sign(s["e"]) * (np.abs(s["e"]) > net.dead_zone)
    return chained(net, s, lambda k, d: net.B[k] @ sign), s["inputs"], {}


def drtp(net, s):
    """Direct random target projection: B[k] y*, the label's column of B[k], [DRTP] sec. 2.3.1 and algorithm 1."""
    return chained(net, s, lambda k, d: net.B[k][:, s["label"]]), s["inputs"], {}


def dkp(net, s):
    """Direct Kolen-Pollack: DFA whose B[k] moves by eta_B y_k e^T, [DKP] eq. (7)."""
    steps = {k: net.eta_B * np.outer(s["y"][k], s["e"]) for k in range(net.K)}
    return chained(net, s, lambda k, d: net.B[k] @ s["e"]), s["inputs"], steps


def weight_mirror(net, s):
    """Weight mirror, engaged mode: B[k] is fixed while W learns, [Slides] eq. (3)-(4); see mirror_step for B."""
    return through_feedback(net, s), s["inputs"], {}


def forward_alignment(net, s):
    """Forward alignment: W_k learns with h_{k-1}, h_k = f(C_k h_{k-1}), h_{-1} = x, [Thesis] eq. (3.7)-(3.10)."""
    h = [s["x"]]
    for k in range(net.K):
        h.append(net.f(net.C[k] @ h[k]))
    return through_transpose(net, s), h, {}


def activation_sharing(net, s):
    """Activation sharing: the layers of a block learn with the output of the layer before it, [Thesis] (4.1)-(4.4)."""
    return through_transpose(net, s), shared_inputs(net, s), {}


def asap(net, s):
    """Activation sharing with asymmetric paths: the same shared step for W and B, [Thesis] eq. (4.5)-(4.6)."""
    delta, h = chained(net, s, lambda k, d: None if net.B[k] is None else net.B[k] @ d), shared_inputs(net, s)
    return delta, h, twin_steps(net, delta, h)


def asfp(net, s):
    """Activation sharing in the feedback path: W by its own input, B by the shared one, [Thesis] (4.7)-(4.10)."""
    delta = chained(net, s, lambda k, d: net.B[k] @ (d if net.L[k] is None else s["e_L"][k]))
    steps = {
        k: net.eta_B * np.outer(shared_input(net, s, k + 1), delta[k + 1]) for k in range(net.K) if net.L[k] is None
    }
    return delta, s["inputs"], steps


def shallow(net, s):
    """Shallow learning: only the output layer learns, [DRTP] sec. 2.1."""
    return chained(net, s, lambda k, d: None), s["inputs"], {}


RULES = {
    rule.__name__: rule
    for rule in (
        bp,
        fa,
        sign_symmetry,
        kp,
        dfa,
        sdfa,
        drtp,
        dkp,
        weight_mirror,
        forward_alignment,
        activation_sharing,
        asap,
        asfp,
        shallow,
    )
}


def copies(arrays, length):
    """Float64 copies as a list of the given length, None where there is no array; a list or a dict comes in."""
    items = dict(arrays) if isinstance(arrays, dict) else dict(enumerate(arrays or []))
    return [None if items.get(k) is None else np.array(items[k], dtype=np.float64) for k in range(length)]


class PaperNetwork:
    """A fully connected network that learns on line by one of the rules of this file."""

    def __init__(
        self,
        *,
        rule,
        sizes,
        activation,
        W,
        b,
        B=None,
        C=None,
        eta,
        eta_B=0.0,
        options=None,
        scale=None,
        theta=None,
        dead_zone=0.0,
        weight_decay=None,
        feedback_decay=None,
    ):
        options = options or {}
        self.rule, self.sizes, self.K = rule, list(sizes), len(sizes) - 2
        self.f, self.df = ACTIVATIONS[activation]
        self.W, self.b = copies(W, self.K + 1), copies(b, self.K + 1)
        self.B, self.C = copies(B, self.K), copies(C, self.K)
        self.eta, self.eta_B = np.broadcast_to(np.asarray(eta, dtype=np.float64), (self.K + 1,)).copy(), float(eta_B)
        self.block, self.matching = options.get("block", 2), options.get("matching", "max_pool")
        self.lag = options.get(
            "lag", 0
        )  # 1: h̃ of a block's first layer is that of the block before, [Thesis] Algorithm 1
        self.first_layer_learns = rule != "asap" or options.get("first_layer", "fixed") == "trained"
        if not self.first_layer_learns and self.K > 0:
            self.B[0] = None
        self.scale, self.theta, self.dead_zone = scale, theta, dead_zone
        self.weight_decay, self.feedback_decay = weight_decay, feedback_decay
        self.L, self.bL = [None] * self.K, [None] * self.K
        if rule == "asfp" and options.get("local_classifier", False):
            for k in range(self.block, self.K, self.block):  # the ends of the blocks, [Thesis] sec. 5.2.4
                self.L[k], self.bL[k] = np.zeros((sizes[-1], sizes[k + 1])), np.zeros(sizes[-1])
        self.updates, self.mirror_steps, self.last = 0, 0, None

    def forward(self, x, label):
        """The signals of one sample: x, the inputs x, y_0, ..., y_{K-1}, z, y, e, and the local classifiers' e_L."""
        s = {"x": np.array(x, dtype=np.float64), "label": int(label), "inputs": [], "z": [], "y": []}
        for k in range(self.K + 1):
            s["inputs"].append(s["y"][-1] if k else s["x"])
            s["z"].append(self.W[k] @ s["inputs"][k] + self.b[k])
            s["y"].append(sigmoid(s["z"][k]) if k == self.K else self.f(s["z"][k]))
        target = np.eye(self.sizes[-1])[s["label"]]
        s["e"] = target - s["y"][-1]
        s["e_L"] = [
            None if self.L[k] is None else target - sigmoid(self.L[k] @ s["y"][k] + self.bL[k]) for k in range(self.K)
        ]
        return s

    def train(self, x, label):
        """Learn one sample; returns the class predicted before learning."""
        s = self.forward(x, label)
        delta, h, steps = RULES[self.rule](self, s)
        open_gate = self.theta is None or s["e"][s["label"]] > self.theta
        for k in range(self.K + 1):
            if delta[k] is not None and (open_gate or k == self.K) and (k > 0 or self.first_layer_learns):
                self.W[k] += self.eta[k] * np.outer(delta[k], h[k])
                self.b[k] += self.eta[k] * delta[k]
        for k, step in steps.items():
            if open_gate or (self.rule in ("kp", "asap") and k == self.K - 1):
                self.B[k] += step
        for k in range(self.K):
            if self.L[k] is not None and open_gate:
                self.L[k] += self.eta[self.K] * np.outer(s["e_L"][k], s["y"][k])
                self.bL[k] += self.eta[self.K] * s["e_L"][k]
        self.decay(steps)
        self.last = {"z": s["z"], "y": s["y"], "delta": delta, "e": s["e"]}
        return int(np.argmax(s["z"][-1]))

    def decay(self, learned_B):
        """Decay of W and of learned B after every P-th update, [Slides] (12)-(13), [DKP] (8), [Thesis] 8.2."""
        self.updates += 1
        lam, every, first_layer = self.weight_decay or (0.0, 1, False)
        if self.updates % every == 0:
            for k in range(0 if first_layer else 1, self.K + 1):
                self.W[k] *= 1.0 - lam
        if self.rule in ("dkp", "asfp"):
            lam, every = self.feedback_decay or (0.0, 1)
        if self.updates % every == 0:
            for k in learned_B:  # the twins of kp and asap with the decay of W, the others with their own
                self.B[k] *= 1.0 - lam

    def mirror_step(self, noise):
        """Weight mirror, mirror mode: dB[k] = eta_B xi_k (f(W_{k+1} xi_k) - f(0))^T, [Slides] eq. (6)-(7), (11)."""
        for k in range(self.K):
            xi = np.asarray(noise[k], dtype=np.float64)
            f = sigmoid if k + 1 == self.K else self.f
            z = self.W[k + 1] @ xi
            self.B[k] += self.eta_B * np.outer(xi, f(z) - f(np.zeros_like(z)))
        self.mirror_steps += 1
        if self.feedback_decay is not None and self.mirror_steps % self.feedback_decay[1] == 0:
            self.B = [(1.0 - self.feedback_decay[0]) * matrix for matrix in self.B]
