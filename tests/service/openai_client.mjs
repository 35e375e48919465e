// The official JavaScript package of OpenAI, unchanged: prints what it makes of the server's answers, as JSON.
import fs from "node:fs";
import { createRequire } from "node:module";

const [modules, url, path] = process.argv.slice(2);
const { default: OpenAI } = createRequire(`${modules}/`)("openai");
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0 });
const ask = (more) => client.audio.transcriptions.create({ file: fs.createReadStream(path), model: "whisper-1", ...more });

const found = {};
found.json = (await ask({})).text;
found.logprobs = (await ask({ include: ["logprobs"] })).logprobs.map((each) => each.token).join("");
const verbose = await ask({ response_format: "verbose_json", timestamp_granularities: ["word", "segment"] });
found.verbose = [verbose.text, verbose.words.map((each) => each.word).join(" "), verbose.segments[0].text];
for (const form of ["text", "srt", "vtt"]) found[form] = await ask({ response_format: form });
found.events = [];
for await (const event of await ask({ stream: true })) found.events.push(event);
try {
  await ask({ model: "other" });
} catch (error) {
  found.error = [error instanceof OpenAI.NotFoundError, error.code];
}
console.log(JSON.stringify(found));
