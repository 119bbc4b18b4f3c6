//! What the books of each subject are like.

/// For each subject, four endings of titles and what such a book is about.
pub(crate) const FLAVOURS: [([&str; 4], &str); 24] = [
    (
        [
            "A Sketchbook",
            "Notes on Colour",
            "The Art of Looking",
            "Studio Letters",
        ],
        "seeing and making",
    ),
    (
        ["A Life", "The Early Years", "Memories", "A Portrait"],
        "one remarkable life",
    ),
    (
        [
            "Work That Lasts",
            "A Company Story",
            "The Honest Ledger",
            "Small Firms",
        ],
        "work, trade and trust",
    ),
    (
        [
            "A Bedtime Story",
            "A Picture Book",
            "Rhymes",
            "A Tale for Small Readers",
        ],
        "a very small hero",
    ),
    (
        [
            "Programs That Last",
            "A Systems Story",
            "Notes on Machines",
            "Queues and Pipelines",
        ],
        "machines and those who build them",
    ),
    (
        [
            "A Cook's Notebook",
            "Recipes",
            "A Year at the Table",
            "Soups and Breads",
        ],
        "cooking with few things well",
    ),
    (
        ["Walking Well", "Sleep and Rest", "A Calm Body", "Breathing"],
        "feeling better with small steps",
    ),
    (
        [
            "A History",
            "The Forgotten Century",
            "An Age of Change",
            "Witnesses",
        ],
        "people who lived through great change",
    ),
    (
        [
            "Rooms and Light",
            "A Maker's Guide",
            "Tools and Timber",
            "The Long Repair",
        ],
        "houses and keeping them",
    ),
    (
        [
            "A Comedy",
            "Misunderstandings",
            "Very Short Stories",
            "Absurdities",
        ],
        "people who mean well",
    ),
    (
        ["A Novel", "Stories", "A Novella", "Collected Tales"],
        "love, chance and memory",
    ),
    (
        [
            "An Inspector Vane Mystery",
            "A Case",
            "A Puzzle",
            "The Third Witness",
        ],
        "a crime that nobody saw",
    ),
    (
        ["A Report", "True Accounts", "Essays", "What Happened"],
        "things that really happen",
    ),
    (
        [
            "Growing Together",
            "The First Years",
            "A Family Guide",
            "Patience",
        ],
        "children and their parents",
    ),
    (
        [
            "Power and Its Limits",
            "A Republic",
            "The Common Good",
            "Votes",
        ],
        "how people decide together",
    ),
    (
        [
            "A Dictionary",
            "The Complete Guide",
            "A Handbook",
            "Tables and Facts",
        ],
        "looking things up quickly",
    ),
    (
        [
            "Meditations",
            "On Silence",
            "A Pilgrim's Book",
            "Questions of Faith",
        ],
        "faith and doubt",
    ),
    (
        [
            "A Love Story",
            "Letters",
            "A Second Chance",
            "Summer Hearts",
        ],
        "two people who nearly miss each other",
    ),
    (
        ["A Voyage", "Beyond the Belt", "The Colony", "Signals"],
        "a future that is oddly near",
    ),
    (
        [
            "A Field Guide",
            "The Life of Rivers",
            "Observations",
            "Small Wonders",
        ],
        "the living world",
    ),
    (
        ["A Workbook", "Begin Again", "Thirty Days", "Habits"],
        "changing one thing at a time",
    ),
    (
        [
            "The Long Run",
            "A Season",
            "The Winning Point",
            "Training Notes",
        ],
        "the joy of trying hard",
    ),
    (
        ["A Journey", "Slow Roads", "By Train", "Walks"],
        "going far and looking closely",
    ),
    (
        [
            "The First Adventure",
            "A Secret Club",
            "The Summer We Left",
            "Book One",
        ],
        "growing up faster than planned",
    ),
];
