// New prompts: written in a form, chosen as a file, or dropped on the page.
const MOST_BYTES = 2e6; // of a file: the server takes no more

function openNew() {
  $("new-author").value = authorOf();
  setText($("new-problem"), "");
  $("new").showModal();
  $("new-text").focus();
}

async function sendNew() {
  const text = $("new-text").value;
  if (!text.trim()) return setText($("new-problem"), say("serve.new.empty"));
  const request = { kind: "write", parent: null, text, id: $("new-id").value.trim() || null, chat: $("new-chat").checked, note: $("new-note").value.trim(), author: $("new-author").value.trim() };
  await sendFromDialog(request);
}

async function sendFromDialog(request) {
  $("new-write").disabled = true;
  setText($("new-problem"), "");
  try {
    const jobs = await submit(request);
    for (const name of ["new-text", "new-id", "new-note"]) $(name).value = "";
    $("new").close();
    if (jobs.length === 1) watchJob(jobs[0]);
    else tellOutcome(say("serve.new.taken", { count: jobs.length }));
  } catch (error) {
    setText($("new-problem"), error.message);
  }
  $("new-write").disabled = false;
}

async function sendFile(file) { // the server says in which line something is wrong
  if (!file) return;
  if (!$("new").open) openNew();
  if (file.size > MOST_BYTES) return setText($("new-problem"), say("serve.new.too-large", { name: file.name }));
  await sendFromDialog({ kind: "file", name: file.name, text: await file.text(), author: $("new-author").value.trim() });
}

const hasFiles = ({ dataTransfer }) => [...(dataTransfer?.types ?? [])].includes("Files");

function listenForFiles() {
  const mark = (isOver) => { document.body.classList.toggle("over", isOver); };
  addEventListener("dragover", (event) => { if (hasFiles(event)) { event.preventDefault(); mark(true); } });
  addEventListener("dragleave", ({ relatedTarget }) => { if (!relatedTarget) mark(false); });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(false);
    sendFile(event.dataTransfer.files[0]);
  });
  $("new-file").addEventListener("change", ({ target }) => {
    sendFile(target.files[0]);
    target.value = ""; // the same file may be chosen again
  });
}
