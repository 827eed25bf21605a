-- AlterTable
ALTER TABLE "Resource" ADD COLUMN "normalIdentifier" TEXT;

-- CreateIndex
CREATE UNIQUE INDEX "Resource_normalIdentifier_key" ON "Resource"("normalIdentifier");
