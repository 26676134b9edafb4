"""llama.cpp through the C interface that llama-cpp-python wraps: several sequences on one prompt."""
import ctypes
import time

import llama_cpp.llama_cpp as C

_silent = C.llama_log_callback(lambda level, text, data: None)


def version():
    import llama_cpp

    return f"llama-cpp-python {llama_cpp.__version__}; {C.llama_print_system_info().decode().strip(' |')}"


class Model:
    def __init__(self, path, lora=None):
        C.llama_log_set(_silent, None)
        C.llama_backend_init()
        start = time.perf_counter()
        self.model = C.llama_model_load_from_file(path.encode(), C.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"llama.cpp cannot load {path}")
        self.load_seconds = time.perf_counter() - start
        self.vocab = C.llama_vocab_n_tokens(C.llama_model_get_vocab(self.model))
        self.adapter = C.llama_adapter_lora_init(self.model, lora.encode()) if lora else None
        if lora and not self.adapter:
            raise RuntimeError(f"llama.cpp cannot load {lora}")


class Context:
    """One context: `streams` sequences of at most `tokens` tokens."""

    def __init__(self, model, streams, tokens, threads, flash, unified, kv=None):
        p = C.llama_context_default_params()
        p.n_ctx = streams * (tokens + 8)
        p.n_batch = p.n_ubatch = 512
        p.n_seq_max = streams
        p.n_threads = p.n_threads_batch = threads
        p.flash_attn_type = 1 if flash else 0
        p.kv_unified = unified
        if kv is not None:
            p.type_k = p.type_v = kv
        self.m, self.room = model, 512
        self.ctx = C.llama_init_from_model(model.model, p)
        if not self.ctx:
            raise RuntimeError("no context")
        self.memory = C.llama_get_memory(self.ctx)
        self.batch = C.llama_batch_init(self.room, 0, 1)

    def close(self):
        C.llama_batch_free(self.batch)
        C.llama_free(self.ctx)

    def adapt(self, on):
        one = (C.llama_adapter_lora_p_ctypes * 1)(self.m.adapter)
        scale = (ctypes.c_float * 1)(1.0)
        C.llama_set_adapters_lora(self.ctx, one if on else None, 1 if on else 0, scale if on else None)

    def clear(self):
        C.llama_memory_clear(self.memory, False)

    def decode(self, rows):
        """rows: (token, position, sequence, logits wanted); at most 512."""
        b = self.batch
        b.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            b.token[i], b.pos[i], b.n_seq_id[i] = token, position, 1
            b.seq_id[i][0], b.logits[i] = sequence, wanted
        if C.llama_decode(self.ctx, b):
            raise RuntimeError("llama_decode failed")

    def prompt(self, ids, sequence=0, at=0):
        """Appends ids; logits after the last."""
        for k in range(0, len(ids), self.room):
            part = ids[k:k + self.room]
            self.decode([(t, at + k + i, sequence, k + i + 1 == len(ids)) for i, t in enumerate(part)])
        C.llama_synchronize(self.ctx)

    def share(self, streams):
        for s in range(1, streams):
            C.llama_memory_seq_cp(self.memory, 0, s, -1, -1)

    def cut(self, streams, tokens):
        for s in range(streams):
            C.llama_memory_seq_rm(self.memory, s, tokens, -1)

    def logits(self, row=-1):
        """A view of [V] floats, until the next decode."""
        return C.llama_get_logits_ith(self.ctx, row)
