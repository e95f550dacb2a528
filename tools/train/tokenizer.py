"""Text side of the training: reading the corpus, the BPE vocabulary, token streams.

The corpus is plain text with a line of only `<|endoftext|>` after each document.
A document becomes [<|endoftext|>] + the tokens of its text, so the special token opens
every document (it is BOS) and closes the one before it (it is EOS). One more of it closes
the last document, so that the tokens of the stream but the first spell the file exactly.
"""

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

EOT = "<|endoftext|>"
SEPARATOR = "\n" + EOT + "\n"


def read_documents(path):
    text = Path(path).read_text(encoding="utf-8")
    documents = text.split(SEPARATOR)
    if documents[-1] != "":
        raise SystemExit(f"{path}: the last document is not closed by {EOT}")
    return documents[:-1]


def train_tokenizer(documents, vocab_size):
    """A byte-level BPE with GPT-2's word pattern; the special token gets id 0."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[EOT],
        # All 256 bytes, so that any text can be encoded although the corpus is ASCII.
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    # Every document began with the special token: so does every prompt.
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{EOT} $A", pair=f"{EOT} $A $B:1", special_tokens=[(EOT, 0)]
    )
    if tokenizer.get_vocab_size() != vocab_size or tokenizer.token_to_id(EOT) != 0:
        raise SystemExit("the trained vocabulary has an unexpected size or order")
    return tokenizer


def encode_documents(tokenizer, documents):
    """The token stream of a file as one array."""
    parts = []
    for encoding in tokenizer.encode_batch_fast(documents, add_special_tokens=False):
        parts.append(np.array([0] + encoding.ids, dtype=np.int32))
    parts.append(np.array([0], dtype=np.int32))
    return np.concatenate(parts)


def token_bytes(tokenizer):
    """How many bytes of the file each token spells; the special token spells the separator
    line with the newlines on both sides of it."""
    lengths = np.zeros(tokenizer.get_vocab_size(), dtype=np.int64)
    for token, index in tokenizer.get_vocab().items():
        # In the byte-level alphabet one character stands for one byte.
        lengths[index] = len(SEPARATOR) if token == EOT else len(token)
    return lengths
