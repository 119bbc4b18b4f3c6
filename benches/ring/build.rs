//! Makes variants of the ring, each with one of its tricks taken away (or one more put in): copies
//! of its source with a few words replaced. A word that is no longer there fails the build, so the
//! variants follow the ring.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// A variant: its module, its name in the tables, and what is replaced in which file.
struct Variant {
    module: &'static str,
    name: &'static str,
    edits: &'static [(&'static str, &'static str, &'static str)],
}

const NO_CLAIM: (&str, &str, &str) = ("cursor", "            claim(self.slot(0));\n", "");
const ONE_LOOK: (&str, &str, &str) = ("cursor", "patience * distance\n", "patience.min(1)\n");

const VARIANTS: &[Variant] = &[
    Variant {
        module: "no_probing",
        name: "no probing",
        edits: &[
            NO_CLAIM,
            (
                "cursor",
                "(self.capacity / 4).max(self.capacity.min(2))",
                "1",
            ),
        ],
    },
    Variant {
        module: "no_history",
        name: "no history",
        edits: &[
            NO_CLAIM,
            ("cursor", "if self.reached == 1 {", "if false {"),
            (
                "cursor",
                "(2 * self.reached).min(self.reach())",
                "self.reach()",
            ),
        ],
    },
    Variant {
        module: "no_patience",
        name: "no patience",
        edits: &[ONE_LOOK],
    },
    Variant {
        module: "no_claim",
        name: "no claim of an awaited line",
        edits: &[NO_CLAIM],
    },
    Variant {
        module: "slots_one_by_one",
        name: "a wrap check per slot of a slice",
        edits: &[(
            "cursor",
            "self.credit.min(wanted).min(self.capacity - self.index)",
            "self.credit.min(wanted).min(1)",
        )],
    },
    Variant {
        module: "lazy",
        name: "slots emptied a batch at a time",
        edits: &[
            ("consumer", "    slot.store(NIL, Release);\n", ""),
            (
                "consumer",
                "        self.end.0.cursor.refill(PATIENCE, is_full)",
                "        self.end.0.cursor.empty_lazily();\n        self.end.0.cursor.refill(PATIENCE, is_full)",
            ),
            (
                "cursor",
                "    reached: usize,\n}",
                "    reached: usize,\n    owed: usize,\n}",
            ),
            (
                "cursor",
                "            reached: 1,\n",
                "            reached: 1,\n            owed: 0,\n",
            ),
            (
                "cursor",
                "        self.credit -= count;\n",
                "        self.credit -= count;\n        self.owed += count;\n",
            ),
            (
                "cursor",
                "    /// How far ahead the first probe looks",
                "    pub(crate) fn empty_lazily(&mut self) {\n\
                 \x20       while self.credit == 0 && self.owed > 0 {\n\
                 \x20           let back = self.capacity - self.owed;\n\
                 \x20           self.slot(if back == self.capacity { 0 } else { back }).store(NIL, core::sync::atomic::Ordering::Release);\n\
                 \x20           self.owed -= 1;\n\
                 \x20       }\n\
                 \x20   }\n\n    /// How far ahead the first probe looks",
            ),
        ],
    },
    Variant {
        module: "shared_index",
        name: "indices reloaded from shared memory",
        edits: &[
            (
                "shared",
                "Layout::array::<AtomicU64>(capacity)",
                "Layout::array::<AtomicU64>(capacity + 2)",
            ),
            (
                "shared",
                "        for index in 0..capacity {",
                "        for index in 0..capacity + 2 {",
            ),
            (
                "shared",
                "        (end(), end())",
                "        (end(), { let mut other = end(); other.cursor.side = 1; other })",
            ),
            (
                "cursor",
                "    reached: usize,\n}",
                "    reached: usize,\n    pub(crate) side: usize,\n}",
            ),
            (
                "cursor",
                "            reached: 1,\n",
                "            reached: 1,\n            side: 0,\n",
            ),
            (
                "cursor",
                "        let mut index = self.index + ahead;\n",
                "        let mut index = self.own_index() + ahead;\n",
            ),
            (
                "cursor",
                "        self.credit -= count;\n        self.index += count;\n",
                "        self.credit -= count;\n        self.index = self.own_index() + count;\n",
            ),
            (
                "cursor",
                "            self.index -= self.capacity;\n        }\n    }",
                "            self.index -= self.capacity;\n        }\n        self.keep_index();\n    }",
            ),
            (
                "cursor",
                "    /// How far ahead the first probe looks",
                "    fn own_index(&self) -> usize {\n\
                 \x20       // SAFETY: two more words than slots were made.\n\
                 \x20       unsafe { self.slots.add(self.capacity + self.side).as_ref() }.load(core::sync::atomic::Ordering::Relaxed) as usize\n\
                 \x20   }\n\n\
                 \x20   fn keep_index(&self) {\n\
                 \x20       // SAFETY: as above.\n\
                 \x20       unsafe { self.slots.add(self.capacity + self.side).as_ref() }.store(self.index as u64, core::sync::atomic::Ordering::Relaxed);\n\
                 \x20   }\n\n    /// How far ahead the first probe looks",
            ),
        ],
    },
    Variant {
        module: "no_claim_ahead",
        name: "no claim of lines known to be full",
        edits: &[
            ("cursor", "self.credit > CLAIM_AHEAD", "false"),
            ("cursor", "if count >= RUN_MIN {", "if false {"),
        ],
    },
    Variant {
        module: "producer_claims",
        name: "producer claims lines 16 ahead",
        edits: &[(
            "producer",
            "    slot.store(word.get(), Release);\n",
            "    crate::prefetch::claim(core::ptr::from_ref(slot).wrapping_add(16));\n    slot.store(word.get(), Release);\n",
        )],
    },
];

const SOURCE: &str = "../../crates/ring/src";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut modules = String::new();
    let mut candidates = String::from("vec![");
    for variant in VARIANTS {
        let folder = out.join(variant.module);
        fs::create_dir_all(&folder).expect("a folder of the build");
        make(variant, &folder);
        modules += &format!(
            "#[path = {:?}]\n#[allow(dead_code, unexpected_cfgs, unused_imports, missing_docs, clippy::all, clippy::multiple_unsafe_ops_per_block)]\npub mod {};\n",
            folder.join("mod.rs"),
            variant.module
        );
        modules += &format!("variant!({}, {:?});\n", variant.module, variant.name);
        candidates += &format!("Candidate::of::<{}::Variant>(),", variant.module);
    }
    modules += &format!("pub fn all() -> Vec<Candidate> {{ {candidates}] }}\n");
    fs::write(out.join("variants.rs"), modules).expect("a file of the build");
}

/// Copies the ring's files with a variant's words in them; their paths begin at its module.
fn make(variant: &Variant, folder: &Path) {
    for file in fs::read_dir(SOURCE).expect("the ring's source") {
        let path = file.expect("an entry").path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        if !path.is_file() {
            continue;
        }
        let mut text = fs::read_to_string(&path).expect("a source file");
        for (file, from, to) in variant.edits {
            if *file == stem {
                assert_eq!(
                    text.matches(from).count(),
                    1,
                    "variant {}: `{from}` is not once in {stem}.rs of the ring: mend build.rs",
                    variant.module
                );
                text = text.replace(from, to);
            }
        }
        let text = text.replace("crate::", &format!("crate::variants::{}::", variant.module));
        let (name, text) = match stem {
            "lib" => ("mod", root(&text)),
            _ => (stem, text),
        };
        fs::write(folder.join(format!("{name}.rs")), text).expect("a file of the build");
    }
}

/// The crate's root as a module: without what only a root may say, and a candidate at its end.
fn root(text: &str) -> String {
    let lines = text.lines().filter(|line| {
        !line.starts_with("//!")
            && !line.starts_with("#![")
            && !line.starts_with("extern crate alloc")
    });
    lines.collect::<Vec<_>>().join("\n") + "\n\npub struct Variant;\n"
}
