"""What the tables say, in words; to be read again whenever the figures beside it are made anew."""

FINDINGS = {
    "digits": """
- **The learning rate decides, together with the optimizer that it belongs to**; the size that the network begins with
  comes next. **When, where and how to grow, and all their parameters, explain next to nothing**, neither over the whole
  space nor among good configurations. Networks that never grow are among the best tenth about as often as among all.
  The networks of this space learn digits whole; nothing here is about tasks on which size is scarce.
- **One run's noise is two to three times, on the test images six times, what the best 30 % of the configurations differ
  by**: there is little to choose between them, and one run does not tell.
- **The rule of choice matters.** By test accuracy the default (loss, one seed, a rung at a fifth, a race) at 24 runs'
  FLOPs is above what accuracy with rungs at equal FLOPs, the default before, reaches at 96; on a model of the table
  these two cannot be told apart. Each part helps at 24: loss, the rung, the race. At 96 the loss helps with a race
  only; without one it is behind accuracy. Stopping and promotion come to the same, with one worker and with 16.
- **Judge by samples that the choice has not seen.** By *validation* accuracy of fresh seeds the default at 24 cannot be
  told from the one before at 96: who chooses by the accuracy on 300 images finds configurations that suit these images,
  and other seeds of the same configurations suit them too. Fresh seeds do not see through that, other images do; a race
  has the same limit.
- **Good starts save most of a search, wrong ones cost little**: three configurations of the true best tenth, tried
  first, give at 6 runs' FLOPs what takes 24 without; three of the worse half cannot be told from none at 24, though the
  same regret is reached a quarter later where the curve is flat.
- **TPE is better than random sampling** on the model of the table, with a rung and without, at 24 runs' FLOPs and at
  96; so is a Gaussian process. A quasi-random sequence is not.
""",
    "cifar10_jpeg": """
- **The width that the network begins with decides here too**: twelve epochs are short, and all end within one budget of
  parameters; the wider the start, the better. **When to grow comes second, as much as the learning rate.** Much of that
  is one option: networks that never grow stay at the width that they began with, and are among the best tenth a sixth
  as often as among all. Among those that grow, intervals, geometric and singular-value schedules are ahead of plateaus.
- **Where and how explain nothing that can be told from zero**, over the whole space and among good configurations.
- The best 30 % of the configurations differ by a tenth of one run's noise on the test images: one run does not tell.
- By the loss, rules with a race are ahead of those without; stopping and promotion come to the same. Rules that look at
  the accuracy and have no race are last.
- At 24 the default is above what the default before reaches at 96, on the model of this table, by validation accuracy
  as well.
- Three configurations of the best tenth to start with give at 6 runs' FLOPs what takes 24 without; three of the worse
  half cost a seventh more FLOPs to the same regret.
""",
    "language": """
- **The size that the network begins with decides here.** All runs have the same FLOPs, growth included, and these are
  so few that the smallest networks win: the larger a network is on average over its run, the worse it ends. *When* to
  grow and the learning rate explain some of the rest; **among good configurations when to grow comes next**, and the
  learning rate no longer counts. Growing at intervals is worst, because most of the run is spent near the budget's
  size; growing never is best on average.
- **Where and how to grow explain nothing that can be seen.**
- **Without a race a longer search chooses worse**: by one run a trial, and more so with rungs, what is chosen at 96
  runs' FLOPs is behind what is chosen with less, since ever more lucky runs are among ever more trials. With a race it
  goes on improving. At 24 the default is far above what the default before reaches at 96. TPE is ahead of random
  sampling by no more than chance explains at 24.
- Three configurations of the best tenth to start with give at 6 runs' FLOPs what takes 24 without; three of the worse
  half cost a seventh more FLOPs to the same regret.
- This is one budget of FLOPs, before the point at which growth pays; [when to grow](when-to-grow.md) has longer ones.
""",
}
