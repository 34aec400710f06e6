"""Random prompts."""

# ruff: noqa: SIM905 (lists of words are easier to read as words)
import random
from collections.abc import Sequence

FREQUENT = "harbour"  # in every fifth prompt
RARE = "quicksilver"  # in one of 50,000, and in three at least
ABSENT = "xylograph"  # in none

FREQUENT_SHARE = 0.2
LOOKS = (
    "slow dolly in|handheld|tracking shot|long lens|macro|wide angle|aerial view|static frame|whip pan|crane shot|"
    "over the shoulder|low angle|top down|shallow focus|time lapse|slow motion|one take|steadicam"
).split("|")
LIGHTS = (
    "at dawn|at dusk|in the blue hour|under neon|in hard noon light|by candlelight|in thick fog|after the rain|"
    "in falling snow|under a full moon|backlit|in golden light|in a sandstorm|in soft window light"
).split("|")
SUBJECTS = (
    "astronauts|a fox|two dancers|an old fisherman|a paper boat|a glass whale|children|a heron|a red bicycle|"
    "a lighthouse keeper|wild horses|a tin robot|a swarm of bees|the orchestra|a lone cyclist|a street cat|"
    "a mountain guide|the last tram|a tailor|a flock of cranes|a diver|a clockmaker|a violinist|the baker|"
    "سفينة شراعية|雪山下的湖泊|un zorro rojo|ein Zeppelin"
).split("|")
ACTIONS = (
    "crossing|waiting beside|flying over|sinking into|walking through|painting|remembering|chasing|leaving|guarding|"
    "drifting past|climbing out of|racing towards|building|hiding in|returning to"
).split("|")
PLACES = (
    "fresh snow|a night market|the volcano|an empty station|a field of poppies|the frozen lake|a tide of ink|"
    "the old bridge|a city of towers|the desert highway|a flooded hall|the orchard|a roof garden|the salt flats|"
    "a narrow alley|the observatory|an endless library|the greenhouse|a quiet kitchen|the carousel"
).split("|")


def make_prompt(rng: random.Random) -> str:
    place = FREQUENT if rng.random() < FREQUENT_SHARE else _choose(rng, PLACES)
    prompt = f"{_choose(rng, SUBJECTS)} {_choose(rng, ACTIONS)} {place} {_choose(rng, LIGHTS)}, {_choose(rng, LOOKS)}"
    return prompt[0].upper() + prompt[1:]


def _choose(rng: random.Random, words: Sequence[str]) -> str:
    return words[int(rng.random() * len(words))]  # twice as fast as rng.choice
