"""Rollouts: a new release meets a share of the traffic, under rules that were written down before."""
