//! The words that invented books and people are made of.

pub(crate) const ADJECTIVES: [&str; 64] = [
    "Amber", "Ancient", "Blue", "Bright", "Broken", "Burning", "Careful", "Clever", "Copper",
    "Crooked", "Distant", "Drifting", "Early", "Eastern", "Empty", "Endless", "Evening", "Faded",
    "Fearless", "First", "Floating", "Forgotten", "Frozen", "Gentle", "Golden", "Green", "Hidden",
    "Hollow", "Honest", "Idle", "Inner", "Invisible", "Last", "Late", "Little", "Lonely", "Long",
    "Lost", "Lucky", "Marble", "Midnight", "Modern", "Northern", "Open", "Paper", "Patient",
    "Quiet", "Restless", "Salt", "Secret", "Second", "Silent", "Silver", "Simple", "Slow",
    "Small", "Southern", "Stubborn", "Summer", "Tender", "Unfinished", "Velvet", "Wandering",
    "Winter",
];

pub(crate) const NOUNS: [&str; 96] = [
    "Almanac", "Anchor", "Answer", "Arcade", "Archive", "Atlas", "Attic", "Balcony", "Bell",
    "Boat", "Bridge", "Cartographer", "Cellar", "Chimney", "Circle", "Clock", "Cloud", "Coast",
    "Compass", "Corridor", "Country", "Courtyard", "Crane", "Door", "Echo", "Engine", "Feather",
    "Ferry", "Field", "Fire", "Forest", "Fountain", "Game", "Garden", "Gate", "Glacier", "Glass",
    "Guest", "Harbour", "Heron", "Hill", "Horizon", "Hour", "House", "Island", "Journey", "Key",
    "Kitchen", "Ladder", "Lamp", "Lantern", "Letter", "Library", "Lighthouse", "Map", "Market",
    "Meadow", "Mirror", "Moon", "Morning", "Mountain", "Night", "Notebook", "Ocean", "Orchard",
    "Orchestra", "Painter", "Path", "Piano", "Pilot", "Promise", "Question", "Rain", "Riddle",
    "River", "Road", "Room", "Sail", "Season", "Shadow", "Shore", "Sky", "Snow", "Song", "Spring",
    "Staircase", "Star", "Station", "Stone", "Storm", "Street", "Tide", "Tower", "Train",
    "Traveller", "Window",
];

pub(crate) const PLACES: [&str; 40] = [
    "Alderbrook", "Ashmere", "Birchwater", "Calloway", "Coldharbour", "Copperfield Lane",
    "Dunmarrow", "Eastwick Bay", "Elmstead", "Fallow Hill", "Fernhollow", "Glasswater",
    "Greywick", "Hartsend", "Hollow Green", "Ivybridge Road", "Junction Square", "Kestrel Point",
    "Larkmoor", "Lindenfels", "Maplethorpe", "Marrowby", "Midsummer Street", "Northgate",
    "Oakhaven", "Old Harbour", "Pebble Cove", "Quarry Bank", "Ravensmoor", "Rosewater",
    "Saltmarsh", "Silverlake", "Stonebridge", "Summerfold", "Thistledown", "Underhill",
    "Vinegrove", "Westerley", "Willow End", "Yarrow Park",
];

pub(crate) const GERUNDS: [&str; 24] = [
    "Asking", "Borrowing", "Building", "Carrying", "Catching", "Counting", "Crossing", "Drawing",
    "Finding", "Following", "Hearing", "Keeping", "Leaving", "Listening to", "Mending", "Naming",
    "Painting", "Reading", "Remembering", "Returning to", "Sailing", "Teaching", "Understanding",
    "Waiting for",
];

/// For each subject, four endings of titles and what such a book is about.
pub(crate) const FLAVOURS: [([&str; 4], &str); 24] = [
    (["A Sketchbook", "Notes on Colour", "The Art of Looking", "Studio Letters"], "seeing and making"),
    (["A Life", "The Early Years", "Memories", "A Portrait"], "one remarkable life"),
    (["Work That Lasts", "A Company Story", "The Honest Ledger", "Small Firms"], "work, trade and trust"),
    (["A Bedtime Story", "A Picture Book", "Rhymes", "A Tale for Small Readers"], "a very small hero"),
    (["Programs That Last", "A Systems Story", "Notes on Machines", "Queues and Pipelines"], "machines and those who build them"),
    (["A Cook's Notebook", "Recipes", "A Year at the Table", "Soups and Breads"], "cooking with few things well"),
    (["Walking Well", "Sleep and Rest", "A Calm Body", "Breathing"], "feeling better with small steps"),
    (["A History", "The Forgotten Century", "An Age of Change", "Witnesses"], "people who lived through great change"),
    (["Rooms and Light", "A Maker's Guide", "Tools and Timber", "The Long Repair"], "houses and keeping them"),
    (["A Comedy", "Misunderstandings", "Very Short Stories", "Absurdities"], "people who mean well"),
    (["A Novel", "Stories", "A Novella", "Collected Tales"], "love, chance and memory"),
    (["An Inspector Vane Mystery", "A Case", "A Puzzle", "The Third Witness"], "a crime that nobody saw"),
    (["A Report", "True Accounts", "Essays", "What Happened"], "things that really happen"),
    (["Growing Together", "The First Years", "A Family Guide", "Patience"], "children and their parents"),
    (["Power and Its Limits", "A Republic", "The Common Good", "Votes"], "how people decide together"),
    (["A Dictionary", "The Complete Guide", "A Handbook", "Tables and Facts"], "looking things up quickly"),
    (["Meditations", "On Silence", "A Pilgrim's Book", "Questions of Faith"], "faith and doubt"),
    (["A Love Story", "Letters", "A Second Chance", "Summer Hearts"], "two people who nearly miss each other"),
    (["A Voyage", "Beyond the Belt", "The Colony", "Signals"], "a future that is oddly near"),
    (["A Field Guide", "The Life of Rivers", "Observations", "Small Wonders"], "the living world"),
    (["A Workbook", "Begin Again", "Thirty Days", "Habits"], "changing one thing at a time"),
    (["The Long Run", "A Season", "The Winning Point", "Training Notes"], "the joy of trying hard"),
    (["A Journey", "Slow Roads", "By Train", "Walks"], "going far and looking closely"),
    (["The First Adventure", "A Secret Club", "The Summer We Left", "Book One"], "growing up faster than planned"),
];

pub(crate) const FIRST_NAMES: [&str; 64] = [
    "Ada", "Agnes", "Alma", "Amir", "Anneke", "Anton", "Beatriz", "Bruno", "Camille", "Chidi",
    "Clara", "Dario", "Edda", "Elias", "Elif", "Esther", "Farid", "Felix", "Freya", "Greta",
    "Hana", "Hugo", "Ida", "Imani", "Ines", "Isak", "Ivo", "Jana", "Jonas", "Joon", "Kaia",
    "Kofi", "Lena", "Leon", "Linnea", "Luca", "Mabel", "Malik", "Mara", "Marta", "Mei", "Milan",
    "Mira", "Nadia", "Niko", "Nora", "Olga", "Omar", "Oskar", "Paula", "Petra", "Priya", "Rafael",
    "Rosa", "Ruben", "Sami", "Selma", "Sofia", "Tara", "Theo", "Tomas", "Uma", "Vera", "Yusuf",
];

pub(crate) const NAME_STARTS: [&str; 40] = [
    "Alder", "Ash", "Berg", "Birk", "Black", "Brand", "Bright", "Calder", "Clay", "Dahl", "Eber",
    "Elm", "Fair", "Falk", "Fern", "Gold", "Green", "Grim", "Hall", "Hart", "Hazel", "Holm", "Kald",
    "Lang", "Lark", "Linden", "Mar", "Nord", "Oak", "Oster", "Raven", "Rose", "Sand", "Silver",
    "Stein", "Storm", "Thorn", "Wald", "Wester", "Winter",
];

pub(crate) const NAME_ENDS: [&str; 40] = [
    "beck", "berg", "brook", "burn", "by", "dale", "den", "dorf", "feld", "field", "ford", "gaard",
    "grove", "ham", "heim", "hill", "hof", "holt", "horst", "land", "ley", "lund", "man", "mark",
    "mere", "more", "quist", "ridge", "rud", "sen", "shaw", "son", "stad", "stead", "strom", "ton",
    "vik", "ward", "well", "wood",
];

pub(crate) const PUBLISHERS: [&str; 20] = [
    "Anchor & Quill", "Blue Door Books", "Bucket Brigade Press", "Cedar House", "Daybreak Editions",
    "Evergreen & Daughters", "Fieldnotes", "Good Lantern", "Harbour Street Press", "Inkwell Union",
    "Juniper Row", "Kite & Thread", "Little Orchard", "Meridian Works", "North Pier",
    "Open Window", "Paper Boat", "Quarto Lane", "Second Spring", "Tall Ship Books",
];

pub(crate) const OPENINGS: [&str; 12] = [
    "It begins with", "Nobody expected", "At the heart of this book stands", "On the first page waits",
    "One autumn day brings", "Everything changes with", "Behind it all is",
    "A stranger arrives with", "An old letter speaks of", "Three friends discover",
    "The whole town talks about", "A child is the first to notice",
];

pub(crate) const VERDICTS: [&str; 12] = [
    "Warm, exact and surprisingly funny.", "A book to give away and buy again.",
    "Read it slowly; it is over too soon.", "Clear, kind and full of small discoveries.",
    "Half of it can be read on one train ride.", "With drawings by the author.",
    "A quiet success among booksellers.", "For patient readers and impatient ones.",
    "The new edition has an index and a map.", "It keeps its best idea for the last chapter.",
    "Our own staff argued about the ending for a week.", "Nothing in it is wasted.",
];

pub(crate) const CITIES: [&str; 16] = [
    "Alderton", "Bridgewater", "Castleford", "Dunhaven", "Eastport", "Fairview", "Greenville",
    "Highfield", "Lakeside", "Millbrook", "Newhaven", "Oakridge", "Riverside", "Springfield",
    "Westbrook", "Woodstock",
];

pub(crate) const STREETS: [&str; 12] = [
    "Bell Street", "Canal Road", "Church Lane", "Garden Row", "Harbour Street", "High Street",
    "Linden Avenue", "Market Square", "Mill Lane", "Orchard Road", "Station Road", "Water Street",
];
