"""Turns the folder of an unpacked corpus into a manifest, and reports missing files.

==================  ====================================================================================
chime4              `robustger.corpora.chime4`: CHiME-4
vb-demand           `robustger.corpora.voicebank_demand`: VoiceBank-DEMAND
noizeus             `robustger.corpora.noizeus`: NOIZEUS
ls-freesound        `robustger.corpora.librispeech_freesound`: LibriSpeech-FreeSound
rats                `robustger.corpora.rats`: RATS
librispeech         `robustger.corpora.librispeech`: LibriSpeech
speechocean762      `robustger.corpora.speechocean762`: speechocean762
hyporadise          `robustger.corpora.hyporadise`: the lists of HyPoradise-v0
robusthp            `robustger.corpora.robusthp`: the lists of the RobustGER paper
==================  ====================================================================================

Each of these modules says where the layout of its corpus is described. Real folders were at hand of NOIZEUS and of part
of speechocean762; the others follow the descriptions and the code of those who read the corpora.
"""

# Importing a module files its corpus; `robustger corpus --list` shows them in this order.
from robustger.corpora import chime4, voicebank_demand, noizeus, librispeech_freesound, rats  # noqa: F401, I001
from robustger.corpora import librispeech, speechocean762, hyporadise, robusthp  # noqa: F401
from robustger.corpora.corpus import CORPORA, Corpus, Scan, Split
from robustger.corpora.build import CorpusCheck, SplitCheck, corpus_manifest

__all__ = [
    "CORPORA",
    "Corpus",
    "CorpusCheck",
    "Scan",
    "Split",
    "SplitCheck",
    "corpus_manifest",
]
