-- AlterTable
ALTER TABLE "Authorization" ADD COLUMN     "chainId" TEXT;
UPDATE "Authorization" SET "chainId" = "id";
