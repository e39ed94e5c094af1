// What was answered, kept in this tab only, and as a CSV with the columns that `ser live` writes.

export class History {
  rows = [];

  /** @param {string[]} columns */
  constructor(columns) { this.columns = columns; }

  add(row) { this.rows.push(row); }

  /** The rows of the last seconds, oldest first. */
  since(time) {
    let first = this.rows.length;
    while (first > 0 && this.rows[first - 1].time > time) first--;
    return this.rows.slice(first);
  }

  download(name) { save(name, [this.columns, ...this.rows.map((row) => this.columns.map((column) => row[column]))]); }
}

/** The columns of answers. */
export const answerColumns = (names, ofRatings) =>
  ofRatings ? names.map((name) => `predicted_${name}`) : ["predicted", "confidence", ...names.map((name) => `p_${name}`)];

/** Offer a table as a CSV file. */
export function save(name, rows) {
  const text = rows.map((row) => row.map(cell).join(",")).join("\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function cell(value) {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return String(Math.round(value * 1e6) / 1e6);
  const text = /^[=+\-@]/.test(value) ? `'${value}` : value; // no formulas in spreadsheets
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
