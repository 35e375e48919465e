"""The recognizers of this package: Whisper on two engines, and CTC models."""
