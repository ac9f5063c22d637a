export function mountExplorer() { throw new Error("not written"); }
