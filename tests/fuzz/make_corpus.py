#!/usr/bin/env python3
"""Writes the binary files of tests/fuzz/corpus: small and with every part that a parser looks at. The text files beside them are written by hand.
"""

import hashlib
import io
import json
import pathlib
import struct
import zipfile

CORPUS = pathlib.Path(__file__).parent / "corpus"
TAG = ("saffron-plugin/1\n"
       "abi=1;sdk=0.1.0;torch=2.13.0;cuda=none;cxx11abi=1;debug=0;sanitize=none;gcc=12.2.0\n"
       "id=org.example.tiny\nversion=0.1.0\ncomponent=sae/tiny/saffron.sae/1\n")


def save(name, content):
    path = CORPUS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def elf(tag):
    """An ELF64 shared library of sections alone: dynamic symbols, DT_NEEDED, the plugin's tag."""
    dynstr = b"\0libc10.so\0saffron_plugin_entry\0_ZN2at6TensorD1Ev\0"
    dynsym = b"".join(struct.pack("<IBBHQQ", dynstr.index(name), info, 0, section, 0, 0)
                      for name, info, section in ((b"\0", 0, 0), (b"saffron_plugin_entry", 0x12, 1),
                                                  (b"_ZN2at6TensorD1Ev", 0x12, 0)))
    dynamic = struct.pack("<qQqQ", 1, dynstr.index(b"libc10.so"), 0, 0)
    names = b"\0.dynsym\0.dynstr\0.dynamic\0.saffron.abi\0.shstrtab\0"
    sections = [(b".dynsym", 11, 2, 24, dynsym), (b".dynstr", 3, 0, 0, dynstr),
                (b".dynamic", 6, 2, 16, dynamic), (b".saffron.abi", 1, 0, 0, tag.encode() + b"\0"),
                (b".shstrtab", 3, 0, 0, names)]
    header, program = 64, 56
    place = header + program
    table, data = struct.pack("<IIQQQQIIQQ", *([0] * 10)), b""
    for name, kind, link, entry, content in sections:
        table += struct.pack("<IIQQQQIIQQ", names.index(name + b"\0"), kind, 0, 0,
                             place + len(data), len(content), link, 0, 1, entry)
        data += content
    size = place + len(data)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    return ident + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, header, size, 0, header, program, 1,
                               64, 1 + len(sections), len(sections)) + segment + data + table


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(tensors):
    """Metadata of every type, a byte-level BPE vocabulary, and `tensors`."""
    strings = ["<|end|>", "l", "o", "w", "lo", "low", "\u0120"]
    entries = [("general.alignment", 4, struct.pack("<I", 32)),
               ("tokenizer.ggml.model", 8, text("gpt2")),
               ("tokenizer.ggml.pre", 8, text("smollm")),
               ("tokenizer.ggml.tokens", 9,
                struct.pack("<IQ", 8, len(strings)) + b"".join(map(text, strings))),
               ("tokenizer.ggml.token_type", 9,
                struct.pack("<IQ7i", 5, 7, 3, 1, 1, 1, 1, 1, 1)),
               ("tokenizer.ggml.merges", 9, struct.pack("<IQ", 8, 2) + text("l o") + text("lo w")),
               ("tokenizer.ggml.bos_token_id", 4, struct.pack("<I", 0)),
               ("nested", 9, struct.pack("<IQIQBB", 9, 1, 0, 2, 7, 8)),
               ("u8", 0, b"\x01"), ("i8", 1, b"\xff"), ("u16", 2, b"\1\0"), ("i16", 3, b"\1\0"),
               ("i32", 5, struct.pack("<i", -1)), ("f32", 6, struct.pack("<f", 0.5)),
               ("flag", 7, b"\1"), ("u64", 10, struct.pack("<Q", 2**63)),
               ("i64", 11, struct.pack("<q", -5)), ("f64", 12, struct.pack("<d", 1e-9))]
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries))
    for key, kind, value in entries:
        out += text(key) + struct.pack("<I", kind) + value
    data = b""
    for name, shape, kind, content in tensors:
        out += text(name)
        out += struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        data += content + bytes(-len(content) % 32)
    return out + bytes(-len(out) % 32) + data


def safetensors(tensors, metadata=None):
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, dtype, shape, content in tensors:
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + data


def longs(*values):
    return struct.pack(f"<{len(values)}q", *values)


def doubles(*values):
    return struct.pack(f"<{len(values)}d", *values)


save("plugin_tag/library.so", elf(TAG))
save("plugin_tag/tag.txt", TAG.encode())
save("plugin_tag/no_tag.so", elf("").replace(b".saffron.abi", b".saffron.xyz"))

# Bytes that fill descriptors (plugin_descriptor.cpp): nothing, and three draws.
save("plugin_descriptor/empty", b"")
for draw in range(3):
    save(f"plugin_descriptor/draw{draw}", hashlib.shake_256(bytes([draw])).digest(600))

save("gguf/plain.gguf", gguf([("w", (2, 3), 0, struct.pack("<6f", *range(6))),
                              ("half", (4,), 1, bytes(8)), ("bf16", (4,), 30, bytes(8)),
                              ("q8", (32, 2), 8, bytes(range(68)))]))
# Type numbers of ggml and bytes a block: Q4_0, Q4_1, Q5_0, Q5_1 of 32, Q4_K, Q5_K, Q6_K of 256.
save("gguf/quantised.gguf",
     gguf([(f"q{kind}", (block,), kind, bytes(i % 251 for i in range(size)))
           for kind, block, size in ((2, 32, 18), (3, 32, 20), (6, 32, 22), (7, 32, 24),
                                     (12, 256, 144), (13, 256, 176), (14, 256, 210))]))
save("gguf/no_tensors.gguf", gguf([]))

save("safetensors/two.safetensors",
     safetensors([("a", "F32", [2, 2], struct.pack("<4f", 1, 2, 3, 4)),
                  ("b", "BF16", [3], bytes(6)),
                  ("scalar", "I64", [], bytes(8)), ("empty", "U8", [0, 3], b"")],
                 {"format": "pt", "saffron.values": '{"step": 3}'}))

world = [("gamma", "F64", [1], doubles(0.9)), ("mu0", "F64", [2], doubles(0.75, 0.25)),
         ("tau", "F64", [2, 1, 2], doubles(0.5, 0.5, 1, 0)),
         ("rewards/good", "F64", [2, 1, 2], doubles(0, 1, 2, 3)),
         ("terminal", "BOOL", [2], b"\0\1")]
save("world/world.safetensors", safetensors(world))
# Some hundred bytes whose first lists promise 30^8 numbers.
ragged = "1"
for _ in range(8):
    ragged = "[" + ragged + ",0" * 29 + "]"
save("world/ragged.json", f'{{"gamma": 0.9, "tau": {ragged}}}'.encode())
save("world/deep.json", f'{{"tau": {"[" * 200 + "1" + "]" * 200}}}'.encode())


def npz(arrays):
    """A .npz as numpy.savez writes it, of {name: (dtype, shape, bytes)}; stored, so that bytes are where they seem."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, (dtype, shape, data) in arrays.items():
            header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
            header += " " * (-(len(header) + 11) % 64) + "\n"
            npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), npy)
    return out.getvalue()


save("world/sparse.npz", npz({
    "gamma": ("<f8", "()", doubles(0.5)), "mu0": ("<f8", "(2,)", doubles(1, 0)),
    "offsets": ("<i8", "(3,)", longs(0, 2, 3)),
    "successors": ("<i4", "(3,)", struct.pack("<3i", 0, 1, 1)),
    "probabilities": ("<f8", "(3,)", doubles(0.5, 0.5, 1)),
    "terminal": ("|b1", "(2,)", b"\0\1"), "rewards/r": ("<f8", "(3,)", doubles(1, 2, 3))}))
save("csv/quoted.csv", b'\xef\xbb\xbf"prompt_id","response_id","a, ""b""",log_reference\r\n'
     b'"two\r\nlines",1,1.5,-2\r\n"two\r\nlines","2",-1,-3\r\n')

sample = {"states": ("<i8", "(3,)", longs(0, 1, 1)), "actions": ("<f8", "(3, 1)", doubles(1, 1, 1)),
          "next_states": ("<i8", "(3,)", longs(1, 2, 2)), "terminal": ("|b1", "(3,)", b"\0\1\1"),
          "episodes": ("<i8", "(3,)", longs(0, 0, 1)), "rewards/r": ("<f8", "(3,)", doubles(0, 1, 1)),
          "further/states": ("<i8", "(1,)", longs(0)), "further/actions": ("<f8", "(1, 1)", doubles(1)),
          "further/next_states": ("<i8", "(1,)", longs(2)), "further/rewards/r": ("<f8", "(1,)", doubles(3))}
save("transitions/line.npz", npz(sample))
save("transitions/line.safetensors", safetensors(
    [("states", "I64", [2], longs(0, 1)), ("actions", "I64", [2], longs(1, 1)),
     ("next_states", "I64", [2], longs(1, 2)), ("rewards/r", "F64", [2], doubles(0, 1))]))
