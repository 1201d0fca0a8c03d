"""`/api/v1`: what the web pages use besides `/v1`: people, chats, labelling, runs, a look inside. One file each."""
