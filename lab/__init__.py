"""The lab: the science of small language models, and the engines that run it."""
