// Prints a text that means harm, from the field that is named, or what a scripted model is to say of the sort.
import { planted } from "./planted-texts.mjs";

const [said, comment, summary] = ["model", "model-comment", "model-summary"].map((field) => JSON.stringify(planted(field)));
const [field] = process.argv.slice(2);
console.log(field ? planted(field) : `
[[conversation]]
match = ["img"]
[[conversation.turn]]
say = ${said}
call = [{ tool = "addComment", args = { module = "ticket", entityId = "\${task_id}", text = ${comment} } }]
usage = { tokens_in = 1450, tokens_out = 95, cost_micros = 58000 }
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "done", summary = ${summary} } }]
usage = { tokens_in = 1820, tokens_out = 310, cost_micros = 101000 }
`);
