// Folds names and queries for comparison: like fold in videos/models/search.py, and with letters that Unicode does not
// decompose.
const LETTERS = { ł: "l", đ: "d", ð: "d", ø: "o", ß: "ss", æ: "ae", œ: "oe", þ: "th", ı: "i" };

// Returns the text without accents, case and compatibility forms.
export const fold = (text) =>
  text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[łđðøßæœþı]/g, (letter) => LETTERS[letter]);
