"""What the tables say, in words; to be read again whenever the figures beside it are made anew."""

FINDINGS = {
    "digits": """
- **The learning rate decides, together with the optimizer that it belongs to**; the size of the network that is begun
  with comes next. **When, where and how to grow, and all their parameters, explain next to nothing**, neither over
  the whole space nor among good configurations: digits are learned whole by networks of this size.
- **One run's noise is several times what good configurations differ by**, so the choice matters more than the trials.
- **The rule of choice does matter.** On test images the default (loss, a rung at a fifth, a race) at 24 runs' FLOPs is
  above what choosing by accuracy, with rungs at equal FLOPs, reaches at 96.
- **Judge by samples that the choice has not seen.** By *validation* accuracy the order is another: who chooses by the
  accuracy on 300 images finds configurations that suit these images, and other seeds of the same configurations suit
  them too. Fresh seeds do not see through that, other images do. A race with fresh seeds has the same limit.
""",
    "cifar10_jpeg": "",
    "language": "",
}
