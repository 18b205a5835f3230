"""Golden values of the linear models of probes and bags of words: scikit-learn's coefficients and predictions.

Versions: pip install scikit-learn==1.9.1 numpy==2.4.6

    python scripts/golden_probe.py

Writes tests/golden/probe.json. A case of classes is LogisticRegression(C=1/penalty), a case of scores
Ridge(alpha=penalty). Features of kind "standardised" go through StandardScaler, fitted on the training rows; "raw" ones
are counts. Predictions are for the rows after the training rows.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "probe.json"


def rounded(values, digits=4):
    return np.round(np.asarray(values, dtype=float), digits)


def dense(rng, n, width, n_classes, spread=1.0):
    """Features with correlated columns of different sizes, and labels that depend on them."""
    mixing = rng.normal(size=(width, width))
    x = rng.normal(size=(n, width)) @ mixing * np.exp(rng.normal(size=width)) + 3 * rng.normal(size=width)
    logits = ((x - x.mean(0)) / x.std(0)) @ rng.normal(size=(width, n_classes)) * spread + rng.gumbel(size=(n, n_classes))
    return rounded(x), logits.argmax(1)


def counts(rng, n, width, n_classes):
    """Bags of words: mostly zeros, frequent columns first."""
    x = rng.poisson(1.0 / (1 + np.arange(width)), size=(n, width)).astype(float)
    logits = x @ rng.normal(size=(width, n_classes)) + rng.gumbel(size=(n, n_classes))
    return x, logits.argmax(1)


def case(name, x, y, penalty, features, n_train, n_classes=None):
    x_train, x_test = x[:n_train], x[n_train:]
    if features == "standardised":
        scaler = StandardScaler().fit(x_train)
        x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
    if n_classes:
        model = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    else:
        model = Ridge(alpha=penalty, solver="cholesky", tol=1e-12)
    model.fit(x_train, y[:n_train])
    predictions = model.predict(x_test)
    return {
        "name": name,
        "features": features,
        "penalty": penalty,
        "n_classes": n_classes,
        "n_train": n_train,
        "x": x.tolist(),
        "y": [float(label) for label in y],
        "coefficients": np.atleast_2d(model.coef_).tolist(),
        "intercepts": np.atleast_1d(model.intercept_).tolist(),
        "predictions": [float(prediction) for prediction in predictions],
    }


def main():
    rng = np.random.default_rng(20261128)
    cases = []
    for penalty in (1.0, 0.01, 100.0):
        x, y = dense(rng, 90, 6, 2)
        cases.append(case(f"two classes, penalty {penalty}", x, y, penalty, "standardised", 60, 2))
        x, y = dense(rng, 110, 5, 3)
        cases.append(case(f"three classes, penalty {penalty}", x, y, penalty, "standardised", 80, 3))
    x, y = dense(rng, 60, 40, 2, spread=9.0)
    cases.append(case("more features than examples, separable", x, y, 1.0, "standardised", 30, 2))
    cases.append(case("separable, small penalty", x, y, 1e-4, "standardised", 30, 2))
    x, y = dense(rng, 80, 4, 2)
    x = np.concatenate([x, x[:, :1], np.full((80, 1), 7.25)], axis=1)
    cases.append(case("a repeated and a constant column", x, y, 1.0, "standardised", 50, 2))
    x, y = counts(rng, 150, 25, 2)
    cases.append(case("counts, two classes", x, y, 1.0, "raw", 100, 2))
    x, y = counts(rng, 150, 25, 4)
    cases.append(case("counts, four classes", x, y, 0.1, "raw", 100, 4))
    x, _ = counts(rng, 150, 25, 2)
    y = rounded(x @ rng.normal(size=25) + rng.normal(size=150))
    cases.append(case("counts, scores", x, y, 1.0, "raw", 100))
    versions = {"scikit-learn": sklearn.__version__, "numpy": np.__version__}
    OUT.write_text(json.dumps({"versions": versions, "cases": cases}) + "\n")
    print(f"{len(cases)} cases, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
