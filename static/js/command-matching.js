// Scores how well commands match a query: each word as a whole, as a part, or by its letters in order.
const isWordStart = (text, at) => at === 0 || !/[\p{L}\p{N}]/u.test(text[at - 1]);

// Points for one word in a text; 0 if it does not match.
function scoreWord(word, text) {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    if (at === 0) return 100;
    if (isWordStart(text, at)) return 80;
  }
  if (text.includes(word)) return 60;
  return word.length > 1 ? scoreLetters(word, text) : 0;
}

// Points for letters that follow each other with gaps, such as "stg" in "settings", from the start of a word.
function scoreLetters(word, text) {
  let best = 0;
  for (let start = text.indexOf(word[0]); start >= 0; start = text.indexOf(word[0], start + 1)) {
    if (!isWordStart(text, start)) continue;
    let at = start;
    for (const letter of word.slice(1)) {
      at = text.indexOf(letter, at + 1);
      if (at < 0) break;
    }
    if (at >= 0) best = Math.max(best, 40 - (at - start + 1 - word.length));
  }
  return best;
}

// Points for a command with this label and further words, all folded; 0 if a word of the query matches neither.
export function score(query, label, words) {
  let sum = 0;
  for (const word of query.split(/\s+/).filter(Boolean)) {
    const points = Math.max(scoreWord(word, label), scoreWord(word, words) / 2);
    if (points <= 0) return 0;
    sum += points;
  }
  // Prefer the shorter of equally good labels.
  return sum - label.length / 100;
}
