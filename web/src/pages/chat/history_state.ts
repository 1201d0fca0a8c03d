// The list of chats and what is searched in it.
import { signal } from "@preact/signals";
import { api, type ChatSummary } from "../../api";

export const chats = signal<ChatSummary[]>([]);
export const hasMore = signal(false);
export const search = signal("");
export const isLoaded = signal(false);

let asked = 0;

export async function loadChats(): Promise<void> {
  const ticket = ++asked;
  const found = await api.chats(search.value.trim());
  if (ticket !== asked) return; // a later search was faster
  chats.value = found.chats;
  hasMore.value = found.more;
  isLoaded.value = true;
}

export async function loadMore(): Promise<void> {
  const ticket = asked;
  const found = await api.chats(search.value.trim(), chats.value.length);
  if (ticket !== asked) return; // the list is another one by now
  chats.value = [...chats.value, ...found.chats];
  hasMore.value = found.more;
}

export async function renameChat(id: string, title: string): Promise<void> {
  await api.changeChat(id, { title });
  chats.value = chats.value.map((one) => (one.id === id ? { ...one, title } : one));
}

export async function deleteChat(id: string): Promise<void> {
  await api.deleteChat(id);
  chats.value = chats.value.filter((one) => one.id !== id);
}
