export { default } from "../../shell/not_here_yet";
