from typing import Final, final

__all__ = ["CONTRACT", "Bucket", "Document"]

CONTRACT: Final[int]

@final
class Bucket:
    def __new__(cls, rate: int, per_ns: int, burst: int) -> Bucket: ...
    def take(self, now_ns: int) -> int: ...

@final
class Document:
    def __new__(cls, data: bytes) -> Document: ...
    def select(self, path: tuple[str, ...], form: str) -> bytes: ...
