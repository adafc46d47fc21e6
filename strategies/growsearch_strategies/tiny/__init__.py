"""TINY: the part of the desired change of a layer's output that the layer cannot express."""
