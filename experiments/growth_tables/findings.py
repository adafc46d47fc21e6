"""What the tables say, in words; to be read again whenever the figures beside it are made anew."""

FINDINGS = {
    "digits": """
- **The learning rate decides, together with the optimizer that it belongs to**; the size that the network begins with
  comes next. **When, where and how to grow, and all their parameters, explain next to nothing**, neither over the whole
  space nor among good configurations. Networks that never grow are among the best tenth about as often as among all.
  The networks of this space learn digits whole; nothing here is about tasks on which size is scarce.
- **One run's noise is twice, on the test images six times, what the best 30 % of the configurations differ by**: there
  is little to choose between them, and one run does not tell.
- **The rule of choice matters.** By test accuracy the default (loss, one seed, a rung at a fifth, a race) at 24 runs'
  FLOPs is above what accuracy with rungs at equal FLOPs, the default before, reaches at 96. Each part helps: loss, the
  rung, the race. Stopping and promotion come to the same, with one worker and with 16.
- **Judge by samples that the choice has not seen.** By *validation* accuracy of fresh seeds the default at 24 is not
  above, but 0.07 points below: who chooses by the accuracy on 300 images finds configurations that suit these images,
  and other seeds of the same configurations suit them too. Fresh seeds do not see through that, other images do; a race
  has the same limit.
- **Good starts save most of a search, wrong ones cost little**: three configurations of the true best tenth, tried
  first, give at 6 runs' FLOPs what takes 24 without; three of the worse half cannot be told from none at 24, though the
  same regret is reached a third later where the curve is flat.
- A small table runs out: rules that stop trials early have trained all of its configurations before 96. On the model of
  the table, where they do not, the default at 24 and the one before at 96 cannot be told apart.
- **TPE is better than random sampling** on the model of the table, with a rung and without, at 24 runs' FLOPs and at
  96; so is a Gaussian process. A quasi-random sequence is not.
""",
    "cifar10_jpeg": "",
    "language": """
- **The size that the network begins with decides here.** All runs have the same FLOPs, growth included, and these are
  so few that the smallest networks win: the larger a network is on average over its run, the worse it ends. Learning
  rate and *when* to grow explain some of the rest; **among good configurations when to grow comes next**, and the
  learning rate no longer counts. Growing at intervals is worst, because most of the run is spent near the budget's
  size; growing never is best on average.
- **Where and how to grow explain nothing that can be seen by now.**
- One run tells more than on digits: good configurations differ by more than the noise of a run.
- This is one budget of FLOPs, before the point at which growth pays; [when to grow](when-to-grow.md) has longer ones.
- How a search should spend its budget is not replayed here yet: a race leaves no seed of three to judge it by.
""",
}
