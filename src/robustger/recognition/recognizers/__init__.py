"""The recognizers that come with the package: Whisper on two engines, and CTC models."""
