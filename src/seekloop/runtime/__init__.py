"""The two engines that stages share: train and generate. The first room that may import torch."""
