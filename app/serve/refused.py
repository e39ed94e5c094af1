"""What a client is told that is turned away: a status and one clear sentence."""


class RefusedError(Exception):
    """A request that is not answered.

    Attributes:
        status: of the response.
        sentence: what is wrong, and what to do.
        headers: of the response.
    """

    def __init__(self, status: int, sentence: str, **headers: str):
        super().__init__(sentence)
        self.status, self.sentence = status, sentence
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
