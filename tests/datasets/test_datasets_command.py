import argparse
import json

import pytest

from neuro_emu.datasets import command, progress
from neuro_emu.datasets.registry import Mirror


@pytest.fixture
def run(capsys):
    """Run 'neuro-emu data ...' and return (exit code, standard output, standard error)."""
    parser = argparse.ArgumentParser(prog="neuro-emu data")
    command.configure(parser)

    def call(*words):
        code = command.execute(parser.parse_args([str(word) for word in words]))
        return code, *capsys.readouterr()

    return call


def test_list(tiny, home, run):
    code, out, err = run("list")
    assert (code, err) == (0, "")
    assert "mnist" in out
    assert "6 + 2 images, 4x3, 3 classes" in out
    assert "not here; 'neuro-emu data fetch' gets it" in out
    assert "generated in memory" in out
    tiny.put(home / "mnist")
    assert str(home / "mnist") in run("list")[1]


def test_list_as_json(tiny, home, run):
    tiny.put(home / "mnist")
    code, out, _ = run("list", "--json")
    entry = json.loads(out)[0]
    assert code == 0
    assert (entry["name"], entry["directory"], entry["image_shape"]) == ("mnist", str(home / "mnist"), [4, 3])


def test_sets_that_nothing_can_fetch(tiny, home, run, monkeypatch):
    out = run("list")[1]
    assert "50,000 + 10,000 images, 32x32, 3 channels, 100 classes, 184.4 MB" in out
    assert "not here; get cifar-100-binary.tar.gz of" in out
    code, out, err = run("fetch", "svhn")
    assert (code, out) == (2, "")
    assert "What to do: get train_32x32.mat and test_32x32.mat of http" in err
    (home / "svhn").mkdir(parents=True)
    for name in ("train_32x32.mat", "test_32x32.mat"):
        (home / "svhn" / name).write_bytes(b"damaged")
    code, out, err = run("verify", "svhn")
    assert (code, out.count("corrupt")) == (1, 2)
    assert err == "repair: get train_32x32.mat and test_32x32.mat of http://ufldl.stanford.edu/housenumbers\n"


def test_where(tiny, home, run, tmp_path):
    tiny.put(home / "mnist")
    assert run("where", "mnist") == (0, f"{home / 'mnist'}\n", "")
    assert run("where", "synthetic") == (0, "generated in memory\n", "")
    code, out, _ = run("where")
    assert code == 0
    assert f"mnist: {home / 'mnist'} (user cache)" in out
    code, out, err = run("where", "mnist", "--path", tmp_path / "nowhere")
    assert (code, out) == (2, "")
    assert err.startswith("error: data set 'mnist' not found")
    entry = json.loads(run("where", "mnist", "--json")[1])[0]
    assert entry["files"]["train-images-idx3-ubyte"] == str(home / "mnist" / "train-images-idx3-ubyte")


def test_where_all_says_what_is_not_there(tiny, run):
    assert "mnist: not found\n" in run("where")[1]


def test_verify(tiny, home, run):
    code, out, err = run("verify", "mnist")
    assert code == 1
    assert out.count("missing") == 4
    assert "repair: neuro-emu data fetch mnist --force" in err
    tiny.put(home / "mnist")
    code, out, err = run("verify", "mnist")
    assert (code, err) == (0, "")
    assert out.count("mnist: ok") == 4
    tiny.put(home / "mnist", train_images_idx3=b"damaged")
    code, out, _ = run("verify", "mnist")
    assert code == 1
    assert "corrupt" in out
    code, out, _ = run("verify", "mnist", "--json")
    result = json.loads(out)[0]
    assert (code, result["passed"]) == (1, False)
    assert [each["status"] for each in result["files"]] == ["corrupt", "ok", "ok", "ok"]


def test_verify_everything_tolerates_what_was_never_fetched(tiny, home, run, monkeypatch):
    monkeypatch.delitem(command.REGISTRY, "fashion_mnist")
    assert run("verify")[0] == 0
    tiny.put(home / "mnist", leave_out=("t10k-labels-idx1-ubyte",))
    assert run("verify")[0] == 1


def test_verify_of_the_generated_set(run):
    assert run("verify", "synthetic") == (0, "synthetic: generated in memory, nothing to verify\n", "")


def test_fetch(tiny, home, run, monkeypatch):
    tiny.put(home / "mnist")
    assert run("fetch", "mnist") == (0, f"{home / 'mnist'}\n", "")
    tiny.use_sources(monkeypatch, Mirror("http://127.0.0.1:1/"))
    code, out, err = run("fetch", "mnist", "--force")
    assert (code, out) == (2, "")
    assert "error: data set 'mnist' could not be fetched" in err
    monkeypatch.setenv("NEURO_EMU_OFFLINE", "1")
    assert "NEURO_EMU_OFFLINE forbids" in run("fetch", "mnist", "--force")[2]


def test_fetch_everything_goes_on_after_a_failure(tiny, run, monkeypatch):
    monkeypatch.setenv("NEURO_EMU_OFFLINE", "1")
    code, out, err = run("fetch")
    assert code == 2
    assert "synthetic: generated in memory" in out
    assert "error: data set 'mnist'" in err
    assert "error: data set 'cifar10'" in err
    assert "svhn" not in err  # asked for everything, what nothing can fetch is no error


@pytest.mark.parametrize("verb", ["fetch", "where", "verify"])
def test_unknown_name(run, verb):
    code, out, err = run(verb, "mnits")
    assert (code, out) == (2, "")
    assert "Did you mean 'mnist'?" in err


@pytest.mark.parametrize("words", [[], ["show"], ["list", "--force"]])
def test_bad_usage_exits_with_2(run, words):
    with pytest.raises(SystemExit) as exit_:
        run(*words)
    assert exit_.value.code == 2


def test_progress_line(capsys, monkeypatch):
    clock = iter((10.0, 10.01, 12.0, 13.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    line = progress.ProgressLine()
    line(0, None, "a")
    line(1_000_000, None, "a")  # too soon to be shown
    line(4_000_000, 8_000_000, "a")
    line(0, None, "b")
    line.close()
    line.close()
    shown = capsys.readouterr().err.replace("\r\x1b[K", "|")
    assert shown == "|a: 0.0 MB|a: 4.0 / 8.0 MB, 2.0 MB/s\n|b: 0.0 MB\n"


def test_progress_only_on_a_terminal(tiny, home, run, monkeypatch):
    seen = []
    tiny.put(home / "mnist")
    real = command.catalogue.fetch
    monkeypatch.setattr(
        command.catalogue,
        "fetch",
        lambda *a, **options: seen.append(options["progress"]) or real(*a, **options),
    )
    run("fetch", "mnist")
    monkeypatch.setattr(command.sys.stderr, "isatty", lambda: True)
    run("fetch", "mnist")
    assert seen[0] is None
    assert isinstance(seen[1], progress.ProgressLine)
