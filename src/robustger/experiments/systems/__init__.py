"""What a trained corrector is compared with: baselines and other checkpoints, each computed once and kept."""
