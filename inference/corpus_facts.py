"""What a model card says of the corpora that are known by name: their language, their kind of speech, their terms.

The terms are what we know of them. ``checked`` says whether we have seen them, or a copy, ourselves; docs/pack.md says
where. Nothing is made up for a corpus that is not here.
"""

from data.settings import Settings


class CorpusFacts(Settings):
    """A corpus.

    Attributes:
        title: its name, as papers write it.
        languages: ISO 639-1 codes; empty where nobody speaks.
        speech: how the emotions came about.
        acted: whether they were played.
        terms: under which it is given away.
        checked: whether we have seen these terms.
        source: the paper.
    """

    title: str
    languages: list[str]
    speech: str
    acted: bool
    terms: str
    checked: bool
    source: str


LANGUAGES = {"de": "German", "en": "English", "tr": "Turkish", "zh": "Mandarin"}

FACTS: dict[str, CorpusFacts] = {
    "iemocap": CorpusFacts(
        title="IEMOCAP",
        languages=["en"],
        speech="dialogues of actors, improvised and scripted",
        acted=True,
        terms="By a licence agreement with USC SAIL. The recordings must not be passed on.",
        checked=False,
        source="Busso et al. 2008, IEMOCAP: Interactive emotional dyadic motion capture database",
    ),
    "msp_podcast": CorpusFacts(
        title="MSP-Podcast",
        languages=["en"],
        speech="spontaneous speech from podcasts, rated by listeners",
        acted=False,
        terms="By a licence agreement with the University of Texas at Dallas.",
        checked=False,
        source="Lotfian and Busso 2019, Building Naturalistic Emotionally Balanced Speech Corpus by Retrieving "
        "Emotional Speech From Existing Podcast Recordings",
    ),
    "ravdess": CorpusFacts(
        title="RAVDESS",
        languages=["en"],
        speech="two sentences spoken by actors",
        acted=True,
        terms="CC BY-NC-SA 4.0. Commercial licences are sold separately.",
        checked=True,
        source="Livingstone and Russo 2018, The Ryerson Audio-Visual Database of Emotional Speech and Song",
    ),
    "cremad": CorpusFacts(
        title="CREMA-D",
        languages=["en"],
        speech="twelve sentences spoken by actors",
        acted=True,
        terms="Open Database Licence 1.0; its contents, Database Contents Licence 1.0.",
        checked=True,
        source="Cao et al. 2014, CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset",
    ),
    "emodb": CorpusFacts(
        title="EmoDB",
        languages=["de"],
        speech="ten sentences acted by ten speakers",
        acted=True,
        terms="Free to use, with a citation of the paper.",
        checked=False,
        source="Burkhardt et al. 2005, A Database of German Emotional Speech",
    ),
    "turevdb": CorpusFacts(
        title="TurEV-DB",
        languages=["tr"],
        speech="single words acted by six speakers",
        acted=True,
        terms="CC BY-NC-ND 4.0.",
        checked=True,
        source="Canpolat, Ormanoğlu and Zeyrek 2020, Turkish Emotion Voice Database (TurEV-DB)",
    ),
    "savee": CorpusFacts(
        title="SAVEE",
        languages=["en"],
        speech="sentences acted by four men",
        acted=True,
        terms="After registration with the University of Surrey, for research.",
        checked=False,
        source="Haq and Jackson 2010, Multimodal Emotion Recognition",
    ),
    "tess": CorpusFacts(
        title="TESS",
        languages=["en"],
        speech="words in a carrier sentence, acted by two women",
        acted=True,
        terms="CC BY-NC-ND 4.0.",
        checked=False,
        source="Pichora-Fuller and Dupuis 2020, Toronto emotional speech set (TESS)",
    ),
    "casia": CorpusFacts(
        title="CASIA",
        languages=["zh"],
        speech="sentences acted by four speakers",
        acted=True,
        terms="By a licence from the Institute of Automation, Chinese Academy of Sciences.",
        checked=False,
        source="Institute of Automation, Chinese Academy of Sciences, CASIA Chinese emotional speech corpus",
    ),
    "modma": CorpusFacts(
        title="MODMA",
        languages=["zh"],
        speech="interviews, readings and descriptions of pictures by patients with depression and healthy controls",
        acted=False,
        terms="By a user licence agreement: academic research only, no commercial use, not to be passed on.",
        checked=True,
        source="Cai et al. 2022, A multi-modal open dataset for mental-disorder analysis",
    ),
    "demo": CorpusFacts(
        title="the synthetic demo corpus of emocache",
        languages=[],
        speech="artificial sounds, in which emotions are rules of a program: nobody speaks",
        acted=False,
        terms="None: a program makes it.",
        checked=True,
        source="data/synthesis.py of emocache",
    ),
}
"""Reader -> its corpus."""


def facts_of(reader: str, name: str) -> CorpusFacts | None:
    """What is known of a corpus by its reader; by its name, where EmoBox's metadata or audformat read it."""
    return FACTS.get(reader) or (FACTS.get(name) if reader in ("emobox", "audformat") else None)
