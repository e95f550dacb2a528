"""safetensors files in NumPy: eight bytes of header length, a JSON header, the tensors."""
import json
import os

import numpy as np

# bf16 has no NumPy type: read, it becomes f32; an array of uint16 is written as bf16.
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def read_safetensors(path):
    """name -> array, as stored (bf16 widened to f32)."""
    data = np.fromfile(path, np.uint8)
    try:
        start = 8 + int.from_bytes(data[:8].tobytes(), "little")
        header = json.loads(data[8:start].tobytes())
        header.pop("__metadata__", None)
        return {name: decode(entry, data[start:]) for name, entry in header.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a complete safetensors file ({error})") from error


def decode(entry, data):
    begin, end = entry["data_offsets"]
    values = data[begin:end].view(DTYPES[entry["dtype"]])
    if entry["dtype"] == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.reshape(entry["shape"])


def write_safetensors(path, tensors, metadata=None):
    """The inverse; arrays keep their dtype. The file appears complete or not at all."""
    header, offset = {"__metadata__": metadata} if metadata else {}, 0
    for name, values in tensors.items():
        code = next(c for c, dtype in DTYPES.items() if np.dtype(dtype) == values.dtype)
        code = "BF16" if values.dtype == np.uint16 else code
        header[name] = {"dtype": code, "shape": list(values.shape),
                        "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(f"{path}.tmp", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for values in tensors.values():
            file.write(np.ascontiguousarray(values).tobytes())
    os.replace(f"{path}.tmp", path)
