"""Cut `reports.bufr` of this folder from the public samples that it is a part of.

    python cut.py FOLDER

FOLDER holds `temp.bufr` and `perf_synop.bufr`, test data of pdbufr
(https://github.com/ecmwf/pdbufr, Apache 2.0). Messages are taken byte for byte.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

PARTS = {"temp.bufr": (0, 1), "perf_synop.bufr": (0, 2)}
"""Numbers of the messages that are taken of each file, from 0 on."""
START, END = b"BUFR", b"7777"


OUT = Path(__file__).with_name("reports.bufr")


def main(folder: str | Path, out: Path = OUT) -> None:
    """Write the messages of `PARTS` one after the other.

    Arguments:
        folder: Folder of both samples.
        out: File to write.
    Raises: ValueError if a sample is cut, IndexError if it has fewer messages.
    """
    parts = []
    for name, numbers in PARTS.items():
        sample = list(messages((Path(folder) / name).read_bytes()))
        parts += [sample[n] for n in numbers]
    out.write_bytes(b"".join(parts))


def messages(content: bytes) -> Iterator[bytes]:
    """The messages of a file: `BUFR`, three bytes for the length, and so on up to `7777`.

    What lies between two messages, such as headings of the telecommunication, is left out.
    """
    place = content.find(START)
    while place >= 0:
        length = int.from_bytes(content[place + 4 : place + 7], "big")
        message = content[place : place + length]
        if len(message) != length or not message.endswith(END):
            raise ValueError(f"the message at byte {place} is not whole")
        yield message
        place = content.find(START, place + length)


if __name__ == "__main__":
    main(sys.argv[1])
