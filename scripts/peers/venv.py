"""A virtual environment with llama-cpp-python, built for this machine, and the models both programs run."""
import os
import subprocess
import sys

BUILD_FLAGS = "-DGGML_NATIVE=ON -DGGML_OPENMP=ON"
PACKAGES = ["llama-cpp-python", "gguf"]  # PyPI


def enter(folder):
    """Goes on in the environment in `folder`, which is made when it is not there. Needs a C++ compiler; cmake
    comes with the packages."""
    python = os.path.join(os.path.abspath(folder), "bin", "python")
    if os.path.realpath(sys.prefix) == os.path.realpath(os.path.abspath(folder)):
        return
    have = os.path.exists(python) and subprocess.run(
        [python, "-c", "import llama_cpp, gguf"], capture_output=True).returncode == 0
    if not have:
        print(f"building llama.cpp in {folder}: this takes ten minutes", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        env = dict(os.environ, CMAKE_ARGS=BUILD_FLAGS, CMAKE_BUILD_PARALLEL_LEVEL=str(os.cpu_count()))
        subprocess.run(["nice", python, "-m", "pip", "install", "-q", *PACKAGES], check=True, env=env)
    os.execv(python, [python, *sys.argv])


def run(*command):
    """Runs a command; its output only when it fails."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def gguf_file(terse, model, kind, folder, method="rtn"):
    """The model as a GGUF file of this type, made once. Methods: terse quantize --help."""
    path = os.path.join(folder, f"{kind}.gguf")
    if not os.path.exists(path):
        run(terse, "quantize", "-m", model, "-t", kind, "--method", method, "-o", path)
    return path


def lora_file(config, rank, folder):
    """An adapter of random numbers on all seven products, f16 as convert_lora_to_gguf.py writes them."""
    import gguf
    import numpy

    path = os.path.join(folder, f"lora{rank}.gguf")
    if os.path.exists(path):
        return path
    width, ff = config["hidden_size"], config["intermediate_size"]
    head = config.get("head_dim") or width // config["num_attention_heads"]
    q, kv = head * config["num_attention_heads"], head * config["num_key_value_heads"]
    shapes = {"attn_q": (width, q), "attn_k": (width, kv), "attn_v": (width, kv), "attn_output": (q, width),
              "ffn_gate": (width, ff), "ffn_up": (width, ff), "ffn_down": (ff, width)}
    random = numpy.random.default_rng(1)
    w = gguf.GGUFWriter(path + ".tmp", "qwen2")
    w.add_type("adapter")
    w.add_string("adapter.type", "lora")
    w.add_float32("adapter.lora.alpha", 2.0 * rank)
    for layer in range(config["num_hidden_layers"]):
        for name, (inner, outer) in shapes.items():
            for part, shape in (("lora_a", (rank, inner)), ("lora_b", (outer, rank))):
                values = (random.standard_normal(shape, dtype=numpy.float32) * 0.005).astype(numpy.float16)
                w.add_tensor(f"blk.{layer}.{name}.weight.{part}", values)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    os.rename(path + ".tmp", path)
    return path
