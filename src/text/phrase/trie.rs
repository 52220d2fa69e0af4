//! Many phrases as one tree of words. Finds the longest that begins at a place; knows nothing of marks or masks.

use std::collections::HashMap;

use super::GAP;
use super::words::{PAUSE, STOP, Words};

/// A tree of words. Walking it from one place of a text takes at most as many steps as the longest phrase has words;
/// each gap multiplies that by [`GAP`] and a few.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    next: HashMap<Box<str>, usize>,
    /// Where the words behind a gap begin.
    gap: Option<usize>,
    phrase: Option<usize>,
}

impl Default for Trie {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Trie {
    pub(super) fn is_empty(&self) -> bool {
        self.nodes[0].next.is_empty()
    }

    /// Takes in a phrase, given as the runs of words between its gaps; none of them may be empty.
    pub(super) fn insert(&mut self, runs: &[Words], phrase: usize) {
        let mut at = 0;
        for (nth, run) in runs.iter().enumerate() {
            if nth > 0 {
                at = if let Some(behind) = self.nodes[at].gap {
                    behind
                } else {
                    let fresh = self.fresh();
                    self.nodes[at].gap = Some(fresh);
                    fresh
                };
            }
            let mut words: Vec<&str> = run.iter().map(as_typed).collect();
            // Punctuation around a phrase was typed by accident.
            while words.last() == Some(&PAUSE) {
                words.pop();
            }
            for word in words {
                at = if let Some(next) = self.nodes[at].next.get(word) {
                    *next
                } else {
                    let fresh = self.fresh();
                    self.nodes[at].next.insert(word.into(), fresh);
                    fresh
                };
            }
        }
        self.nodes[at].phrase.get_or_insert(phrase);
    }

    fn fresh(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// The longest phrase that begins at this word and touches no word that is taken out: its number and length.
    pub(super) fn longest(&self, words: &Words, from: usize, masked: &[bool]) -> Option<(usize, usize)> {
        self.walk(0, words, from, masked).map(|(phrase, end)| (phrase, end - from))
    }

    /// The phrase that reaches farthest from a node of the tree and a word of the text: its number and end.
    fn walk(&self, mut at: usize, words: &Words, from: usize, masked: &[bool]) -> Option<(usize, usize)> {
        let mut found: Option<(usize, usize)> = None;
        for nth in from.. {
            let node = &self.nodes[at];
            let here = node.phrase.map(|phrase| (phrase, nth));
            let beyond = node.gap.and_then(|behind| self.across(behind, words, nth, masked));
            found = found.into_iter().chain(here).chain(beyond).reduce(|a, b| if b.1 > a.1 { b } else { a });
            if masked.get(nth) == Some(&true) {
                break;
            }
            let Some(next) = words.get(nth).and_then(|word| node.next.get(as_typed(word))) else { break };
            at = *next;
        }
        found
    }

    /// Every phrase that begins at this word, by its number: shorter ones within longer ones too.
    pub(super) fn each(&self, words: &Words, from: usize, masked: &[bool], found: &mut impl FnMut(usize)) {
        self.each_from(0, words, from, masked, found);
    }

    fn each_from(&self, mut at: usize, words: &Words, from: usize, masked: &[bool], found: &mut impl FnMut(usize)) {
        for nth in from.. {
            let node = &self.nodes[at];
            if let Some(phrase) = node.phrase {
                found(phrase);
            }
            if let Some(behind) = node.gap {
                self.each_across(behind, words, nth, masked, found);
            }
            if masked.get(nth) == Some(&true) {
                break;
            }
            let Some(next) = words.get(nth).and_then(|word| node.next.get(as_typed(word))) else { break };
            at = *next;
        }
    }

    /// Everything that stands behind a gap, at most [`GAP`] words away and in the same sentence.
    fn each_across(&self, behind: usize, words: &Words, from: usize, masked: &[bool], found: &mut impl FnMut(usize)) {
        let mut passed = 0;
        for nth in from.. {
            self.each_from(behind, words, nth, masked, found);
            let Some(word) = words.get(nth) else { return };
            passed += usize::from(word != PAUSE);
            if word == STOP || passed > GAP || masked.get(nth) == Some(&true) {
                return;
            }
        }
    }

    /// What stands behind a gap: the nearest, at most [`GAP`] words away and in the same sentence.
    fn across(&self, behind: usize, words: &Words, from: usize, masked: &[bool]) -> Option<(usize, usize)> {
        let mut passed = 0;
        for nth in from.. {
            let found = self.walk(behind, words, nth, masked);
            if found.is_some() {
                return found;
            }
            let word = words.get(nth)?;
            passed += usize::from(word != PAUSE);
            if word == STOP || passed > GAP || masked.get(nth) == Some(&true) {
                return None;
            }
        }
        None
    }
}

/// Whether an editor typed a comma or a colon makes no difference within a phrase.
fn as_typed(word: &str) -> &str {
    if word == STOP { PAUSE } else { word }
}
