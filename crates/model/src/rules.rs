//! The thirteen rules from symptom to remedy, as data. [`crate::explain`] applies them.

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its number, from 1.
    pub number: u32,
    /// Its name.
    pub title: &'static str,
    /// What the figures show.
    pub symptom: &'static str,
    /// What it means.
    pub diagnosis: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// When it misleads.
    pub caveat: &'static str,
}

const fn rule(
    number: u32,
    title: &'static str,
    [symptom, diagnosis, remedy, caveat]: [&'static str; 4],
) -> Rule {
    Rule {
        number,
        title,
        symptom,
        diagnosis,
        remedy,
        caveat,
    }
}

/// All rules, in order.
pub const RULES: [Rule; 13] = [
    rule(
        1,
        "bottleneck",
        [
            "busy nearly always, not blocked, messages wait at its input",
            "this stage, or its core, limits the throughput",
            "replicate it, split it, move its neighbours away, or give it a faster core",
            "the longest queue may be before a victim further up",
        ],
    ),
    rule(
        2,
        "victim",
        [
            "an output is full and the stage is blocked",
            "the cause is further down: the first stage there that is busy and not blocked",
            "leave this stage alone and go to the cause",
            "a busy share is no proof: a victim may be busy between two blocks",
        ],
    ),
    rule(
        3,
        "starved",
        [
            "the input is empty and the stage has nothing to do",
            "the cause is further up",
            "look at the stages before it",
            "a core that looks at empty rings is busy to a CPU profiler",
        ],
    ),
    rule(
        4,
        "loop-limited",
        [
            "no stage is busy for nine tenths, and all tokens of a window are under way",
            "the latency around the loop limits, not any stage",
            "give the window tokens, or take latency out of the loop",
            "more cores do not help",
        ],
    ),
    rule(
        5,
        "too few clients",
        [
            "a closed load with fewer clients than the saturation point, queues empty",
            "the load is the limit; empty queues are no stall",
            "nothing",
            "the saturation point moves with the demands",
        ],
    ),
    rule(
        6,
        "burst",
        [
            "a high maximum, and a minimum of zero",
            "messages come in bursts that the queue takes up",
            "leave it",
            "extremes are samples",
        ],
    ),
    rule(
        7,
        "waiting for the batch",
        [
            "the queue rises to the batch's size and falls to zero: about half a batch on average",
            "messages wait for others to make the batch full",
            "a smaller batch, or a time-out",
            "a batch that is larger than the window never fills",
        ],
    ),
    rule(
        8,
        "empty bank",
        [
            "the ring is full or the network card drops, and the stage is not busy",
            "the stage has no empty pages",
            "find who holds the pages",
            "pages in a cache are held on purpose",
        ],
    ),
    rule(
        9,
        "deadlock",
        [
            "every ring on a cycle is full, or a batch is larger than its window, and nothing moves",
            "each waits for the other",
            "reserve tokens for the way back",
            "a stage that stopped looks the same; it is named first",
        ],
    ),
    rule(
        10,
        "slip too large",
        [
            "the queue stands at the same length while its consumer has time",
            "the consumer is kept further behind than the loop allows",
            "a smaller slip",
            "one slow message in front of others looks alike for a moment",
        ],
    ),
    rule(
        11,
        "cache lines to and fro",
        [
            "the queue holds none or one, and a message costs both sides much",
            "producer and consumer work on the same cache line",
            "send in batches, keep a distance, or fuse the two",
            "it takes the cost of a hop to tell",
        ],
    ),
    rule(
        12,
        "hash skew",
        [
            "one replica's ring is long, its siblings' are short",
            "the keys do not spread evenly",
            "spread the keys; more replicas do not help",
            "a replica on a slower core looks alike",
        ],
    ),
    rule(
        13,
        "fuse",
        [
            "neighbours are busy for less than nine tenths together, and the ring between them is empty",
            "the hop costs more than it brings",
            "put both on one core, then look at the loops again",
            "it saves a core, and does not make anything faster",
        ],
    ),
];

/// What holds for every rule.
pub const ALWAYS: &str = "Look for longer than a batch takes, change one thing at a time, wait before judging, and take it back if the throughput falls.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_numbered_and_complete() {
        for (rule, number) in RULES.iter().zip(1..) {
            assert_eq!(rule.number, number);
            for text in [
                rule.title,
                rule.symptom,
                rule.diagnosis,
                rule.remedy,
                rule.caveat,
            ] {
                assert!(!text.is_empty(), "rule {number}");
            }
        }
    }
}
